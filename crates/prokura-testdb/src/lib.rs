//! PostgreSQL for tests: a server of their own in a temporary folder, on loopback, gone when the test process is.
//!
//! A machine without PostgreSQL fails the tests instead of skipping them. The server does not sync its files, so it is
//! fast and fit for nothing else.

use std::{
    ffi::OsStr,
    fs::{self, File},
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};
use tempfile::TempDir;

/// The superuser of the server; it has no password.
const USER: &str = "prokura";

/// How often to try another port when somebody else was faster.
const ATTEMPTS: u32 = 5;

/// A running server. Dropping it stops it and removes its files; so does the end of this process, however it ends.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    account: Option<Account>,
    port: u16,
    databases: AtomicU32,
    /// Waits for the end of its input, then stops the server. Comes before the folder, which is dropped after it.
    keeper: Child,
    folder: TempDir,
}

/// Whom the server runs as, when we are root: it refuses to be.
#[derive(Clone, Copy, Debug)]
struct Account {
    user: u32,
    group: u32,
}

/// An empty database, dropped with this value.
#[derive(Debug)]
pub struct Database<'a> {
    server: &'a Postgres,
    name: String,
}

/// A dump in the folder of its server, gone with it.
#[derive(Debug)]
pub struct Dump {
    file: String,
}

impl Postgres {
    /// The server all tests of this process share. It starts when first asked for.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A server of one's own, for tests that stop it.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// A server of one's own that shows a certificate (certificate and key in PEM) and lets nobody in who does not
    /// encrypt.
    ///
    /// # Panics
    /// When PostgreSQL is not installed or does not start.
    pub fn start_encrypted(certificate: &str, key: &str) -> Self {
        Self::start_with(Some((certificate, key)))
    }

    fn start_with(certificate: Option<(&str, &str)>) -> Self {
        let bin = find_bin().expect(
            "PostgreSQL is needed for this test, and no pg_ctl and initdb were found in /usr/lib/postgresql/*/bin or \
             on the PATH: install the Debian package \"postgresql\"",
        );
        let folder = tempfile::Builder::new().prefix("prokura-postgres-").tempdir().expect("a temporary folder");
        let account = account(folder.path());
        if let Some(Account { user, group }) = account {
            chown(folder.path(), Some(user), Some(group)).expect("a folder given to the account of the server");
        }
        let keeper = keeper(&bin, account, folder.path());
        let mut server = Self { bin, account, port: 0, databases: AtomicU32::new(0), keeper, folder };
        let data = server.data();
        server.run("initdb", ["--no-sync", "-A", "trust", "-E", "UTF8", "--locale=C", "-U", USER, "-D", &data]);
        if let Some((certificate, key)) = certificate {
            server.encrypt(certificate, key);
        }
        for attempt in 1.. {
            server.port = free_port();
            match server.try_resume() {
                Ok(()) => break,
                Err(error) => assert!(attempt < ATTEMPTS, "{error}"),
            }
        }
        server
    }

    /// A new, empty database.
    ///
    /// # Panics
    /// When the server does not make it.
    pub fn database(&self) -> Database<'_> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run("createdb", ["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", USER, &name]);
        Database { server: self, name }
    }

    /// Dumps the database at `url` with PostgreSQL's own tool.
    ///
    /// # Panics
    /// When it cannot be dumped.
    pub fn dump(&self, url: &str) -> Dump {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let file = self.folder.path().join(format!("dump_{number}")).display().to_string();
        self.run("pg_dump", ["--format=custom", "--file", &file, "--dbname", url]);
        Dump { file }
    }

    /// A new database with what was dumped.
    ///
    /// # Panics
    /// When it cannot be restored.
    pub fn restore(&self, dump: &Dump) -> Database<'_> {
        let database = self.database();
        self.run("pg_restore", ["--exit-on-error", "--dbname", &database.url(), &dump.file]);
        database
    }

    /// Stops the server and cuts off everybody. [`Postgres::resume`] starts it again at the same address.
    ///
    /// # Panics
    /// When it does not stop.
    pub fn stop(&self) {
        self.run("pg_ctl", ["stop", "-w", "-m", "fast", "-D", &self.data()]);
    }

    /// Starts a stopped server again.
    ///
    /// # Panics
    /// When it does not start.
    pub fn resume(&self) {
        self.try_resume().expect("a server that starts again");
    }

    fn encrypt(&self, certificate: &str, key: &str) {
        let data = PathBuf::from(self.data());
        let write = |name: &str, text: &str| {
            let path = data.join(name);
            fs::write(&path, text).expect("a file of the server");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file for the server alone");
            if let Some(Account { user, group }) = self.account {
                chown(&path, Some(user), Some(group)).expect("a file given to the account of the server");
            }
        };
        write("server.crt", certificate);
        write("server.key", key);
        write("pg_hba.conf", "hostssl all all 127.0.0.1/32 trust\n");
        write("postgresql.auto.conf", "ssl = on\n");
    }

    fn try_resume(&self) -> Result<(), String> {
        let folder = self.folder.path().display();
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off \
             -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=64MB -c max_connections=200 \
             -c deadlock_timeout=100ms",
            self.port
        );
        let log = format!("{folder}/log");
        self.try_run("pg_ctl", ["start", "-w", "-D", &self.data(), "-l", &log, "-o", &options])
            .map_err(|error| format!("{error}\n{}", fs::read_to_string(&log).unwrap_or_default()))
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn run<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) {
        if let Err(error) = self.try_run(program, arguments) {
            panic!("{error}");
        }
    }

    fn try_run<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
        // Into a file: the server inherits it, and the end of a pipe would never come.
        let said = tempfile::tempfile_in(self.folder.path()).map_err(|error| error.to_string())?;
        let copy = |file: &File| file.try_clone().map(Stdio::from).map_err(|error| error.to_string());
        let status = command(self.bin.join(program), self.account)
            .args(arguments)
            .current_dir(self.folder.path())
            // Not ours: the tools look for certificates there, and may not be able to read it.
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .stdout(copy(&said)?)
            .stderr(copy(&said)?)
            .status()
            .map_err(|error| format!("{program}: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("{program}: {status}\n{}", rewound(said))) }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

impl Database<'_> {
    /// How to connect.
    pub fn url(&self) -> String {
        format!("postgresql://{USER}@127.0.0.1:{}/{}", self.server.port, self.name)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        let port = self.server.port.to_string();
        // The server may be stopped or gone.
        let _ = self
            .server
            .try_run("dropdb", ["--force", "--if-exists", "-h", "127.0.0.1", "-p", &port, "-U", USER, &self.name]);
    }
}

fn rewound(mut file: File) -> String {
    use std::io::{Read, Seek};
    let mut text = String::new();
    match file.rewind().and_then(|()| file.read_to_string(&mut text)) {
        Ok(_) => text,
        Err(error) => error.to_string(),
    }
}

/// A shell in a process group of its own that outlives us for as long as it takes to stop the server.
fn keeper(bin: &Path, account: Option<Account>, folder: &Path) -> Child {
    let mut keeper = command("sh", account);
    keeper
        .arg("-c")
        .arg("cat >/dev/null; \"$0\" stop -w -m immediate -D \"$1/data\" >/dev/null 2>&1; rm -rf \"$1\"")
        .arg(bin.join("pg_ctl"))
        .arg(folder)
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell that stops the server")
}

fn command(program: impl AsRef<OsStr>, account: Option<Account>) -> Command {
    let Some(Account { user, group }) = account else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups").arg(program);
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port on loopback");
    listener.local_addr().expect("the address of a listener").port()
}

/// Whom to be instead of root; `None` when we are somebody else, as told by whom a folder of ours belongs to.
fn account(folder: &Path) -> Option<Account> {
    if fs::metadata(folder).expect("our folder").uid() != 0 {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").expect("the accounts of this machine");
    let find = |name: &str| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2).map(str::parse);
        Some(Account { user: numbers.next()?.ok()?, group: numbers.next()?.ok()? })
    };
    Some(find("postgres").or_else(|| find("nobody")).expect("an account named postgres or nobody, as we are root"))
}

/// The folder with the server's programs; the newest version when there are several.
fn find_bin() -> Option<PathBuf> {
    let is_complete = |folder: &PathBuf| ["pg_ctl", "initdb", "createdb"].iter().all(|name| folder.join(name).exists());
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        let bin = entry.path().join("bin");
        is_complete(&bin).then_some((version, bin))
    });
    if let Some((_, bin)) = installed.max() {
        return Some(bin);
    }
    std::env::split_paths(&std::env::var_os("PATH")?).find(is_complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_leaves_nothing_behind() {
        let server = Postgres::start();
        let folder = server.folder.path().to_owned();
        let port = server.port;
        let url = server.database().url();
        assert!(url.contains(&port.to_string()), "{url}");
        server.stop();
        assert!(TcpListener::bind(("127.0.0.1", port)).is_ok(), "it still listens");
        server.resume();
        drop(server);
        assert!(TcpListener::bind(("127.0.0.1", port)).is_ok(), "it still listens");
        assert!(!folder.exists());
    }
}
