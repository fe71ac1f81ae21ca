//! Follows the framing of HTTP/1 requests byte by byte, beside hyper and stricter than it (S-53).
//!
//! hyper accepts two `Host` lines, `Transfer-Encoding` next to `Content-Length`, and bare line feeds; the next hop may
//! read any of them differently. This machine looks at the bytes before hyper does. On a violation it names the byte
//! that must not be delivered; the caller puts bytes in its place that hyper answers with 400 and a closed connection,
//! and nothing behind it is ever parsed. It copies nothing unless a line is split over two reads.

use memchr::{memchr, memchr_iter, memchr2};

/// The longest line kept while its end has not arrived. Above what any limit of a head allows.
const MAX_SPLIT_LINE: usize = 1 << 20;
/// The longest chunk-size line, extensions included.
const MAX_CHUNK_LINE: usize = 1024;
/// The most lines of a trailer section.
const MAX_TRAILERS: u32 = 100;

/// What to do with the bytes just looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Deliver all of them.
    All,
    /// Deliver those before the index; the one at the index breaks a rule.
    Refuse(usize),
    /// Deliver those before the index; keep the rest until the answer to an upgrade is known.
    Hold(usize),
}

/// Where the connection is, as far as timeouts care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between two requests.
    Idle,
    /// Inside a request line or header section.
    Head,
    /// Inside a body, or behind an upgrade that is being decided.
    Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the first byte of a request.
    Start,
    /// Inside the request line.
    RequestLine,
    /// Inside the header section.
    Header,
    /// Inside a body of known length.
    Fixed(u64),
    /// Inside a chunk-size line.
    ChunkSize,
    /// Inside a chunk.
    Chunk(u64),
    /// At the CR behind a chunk.
    ChunkCr,
    /// At the LF behind a chunk.
    ChunkLf,
    /// Inside the trailer section.
    Trailer(u32),
    /// Behind a request that asked for another protocol, until it is answered.
    Held,
    /// No longer HTTP/1.
    Raw,
    /// A rule was broken.
    Refused,
}

/// What was learnt from the head so far.
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact of a head, not a state")]
#[derive(Debug, Default)]
struct Head {
    /// The authority of an absolute-form target.
    authority: Option<Vec<u8>>,
    has_host: bool,
    content_length: Option<u64>,
    is_chunked: bool,
    is_http_10: bool,
    asks_upgrade: bool,
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Framing {
    state: State,
    head: Head,
    /// The beginning of a line whose end has not arrived.
    split: Vec<u8>,
}

/// A broken rule. Which one does not matter to the peer; tests look at the answer.
struct Violation;

impl Framing {
    pub(super) fn http1() -> Self {
        Self { state: State::Start, head: Head::default(), split: Vec::new() }
    }

    pub(super) fn raw() -> Self {
        Self { state: State::Raw, ..Self::http1() }
    }

    pub(super) fn is_raw(&self) -> bool {
        self.state == State::Raw
    }

    pub(super) fn is_held(&self) -> bool {
        self.state == State::Held
    }

    pub(super) fn is_refused(&self) -> bool {
        self.state == State::Refused
    }

    /// The upgrade was accepted: what follows is no HTTP.
    pub(super) fn switch_protocol(&mut self) {
        self.state = State::Raw;
    }

    /// The upgrade was not accepted: the next request may follow.
    pub(super) fn resume(&mut self) {
        self.state = State::Start;
    }

    pub(super) fn phase(&self) -> Phase {
        match self.state {
            State::Start => Phase::Idle,
            State::RequestLine | State::Header => Phase::Head,
            State::Fixed(_)
            | State::ChunkSize
            | State::Chunk(_)
            | State::ChunkCr
            | State::ChunkLf
            | State::Trailer(_)
            | State::Held
            | State::Raw
            | State::Refused => Phase::Body,
        }
    }

    /// Looks at the next bytes of the connection.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Step {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            match self.state {
                State::Fixed(left) => rest = self.skip(rest, left, State::Fixed, State::Start),
                State::Chunk(left) => rest = self.skip(rest, left, State::Chunk, State::ChunkCr),
                State::ChunkCr | State::ChunkLf => match rest.split_first() {
                    Some((b'\r', tail)) if self.state == State::ChunkCr => (self.state, rest) = (State::ChunkLf, tail),
                    Some((b'\n', tail)) if self.state == State::ChunkLf => {
                        (self.state, rest) = (State::ChunkSize, tail);
                    }
                    Some(_) | None => return self.refuse(at),
                },
                State::Start | State::RequestLine | State::Header | State::ChunkSize | State::Trailer(_) => {
                    let Some(end) = memchr(b'\n', rest) else {
                        if self.state == State::Start {
                            self.state = State::RequestLine;
                        }
                        if self.split.len() + rest.len() > MAX_SPLIT_LINE {
                            return self.refuse(at);
                        }
                        self.split.extend_from_slice(rest);
                        return Step::All;
                    };
                    let (line, tail) = rest.split_at(end);
                    if self.line(line).is_err() {
                        return self.refuse(at + end);
                    }
                    rest = tail.split_first().map_or(&[], |(_, tail)| tail);
                }
                State::Held => return Step::Hold(at),
                State::Raw => return Step::All,
                State::Refused => return Step::Refuse(at),
            }
        }
        Step::All
    }

    fn refuse(&mut self, at: usize) -> Step {
        self.state = State::Refused;
        Step::Refuse(at)
    }

    /// Skips what is left of a body or chunk, and says what remains of `bytes`.
    fn skip<'a>(&mut self, bytes: &'a [u8], left: u64, inside: fn(u64) -> State, behind: State) -> &'a [u8] {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - take as u64;
        if left > 0 {
            self.state = inside(left);
        } else if behind == State::Start {
            self.end_of_message();
        } else {
            self.state = behind;
        }
        bytes.get(take..).unwrap_or_default()
    }

    fn end_of_message(&mut self) {
        self.state = if self.head.asks_upgrade { State::Held } else { State::Start };
    }

    /// Takes a line without its LF, joined with the part that came earlier.
    fn line(&mut self, line: &[u8]) -> Result<(), Violation> {
        if self.split.is_empty() {
            return self.whole_line(line);
        }
        let mut whole = std::mem::take(&mut self.split);
        whole.extend_from_slice(line);
        let result = self.whole_line(&whole);
        whole.clear();
        self.split = whole;
        result
    }

    fn whole_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let Some((b'\r', line)) = line.split_last() else { return Err(Violation) };
        if memchr2(b'\r', 0, line).is_some() {
            return Err(Violation);
        }
        match self.state {
            // A blank line in front of a request is ignored (RFC 9112 section 2.2); hyper does so, too.
            State::Start | State::RequestLine if line.is_empty() => self.state = State::Start,
            State::Start | State::RequestLine => {
                self.head = Head::default();
                self.request_line(line)?;
                self.state = State::Header;
            }
            State::Header if line.is_empty() => self.end_of_head()?,
            State::Header => self.header(line)?,
            State::ChunkSize => match chunk_size(line)? {
                0 => self.state = State::Trailer(0),
                size => self.state = State::Chunk(size),
            },
            State::Trailer(_) if line.is_empty() => self.end_of_message(),
            State::Trailer(count) => {
                split_field(line)?;
                if count >= MAX_TRAILERS {
                    return Err(Violation);
                }
                self.state = State::Trailer(count + 1);
            }
            State::Fixed(_)
            | State::Chunk(_)
            | State::ChunkCr
            | State::ChunkLf
            | State::Held
            | State::Raw
            | State::Refused => return Err(Violation),
        }
        Ok(())
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        let mut spaces = memchr_iter(b' ', line);
        let (Some(first), Some(second), None) = (spaces.next(), spaces.next(), spaces.next()) else {
            return Err(Violation);
        };
        let method = line.get(..first).unwrap_or_default();
        let target = line.get(first + 1..second).unwrap_or_default();
        self.head.is_http_10 = match line.get(second + 1..).unwrap_or_default() {
            b"HTTP/1.1" => false,
            b"HTTP/1.0" => true,
            _ => return Err(Violation),
        };
        // hyper's URI drops a fragment silently, so it has to be refused here (S-54).
        if memchr2(b'#', b'\t', target).is_some() {
            return Err(Violation);
        }
        match target {
            [b'/', ..] => Ok(()),
            b"*" if method == b"OPTIONS" => Ok(()),
            _ => {
                let scheme_length = match target {
                    _ if starts_with_ignoring_case(target, b"http://") => 7,
                    _ if starts_with_ignoring_case(target, b"https://") => 8,
                    _ => return Err(Violation),
                };
                let rest = target.get(scheme_length..).unwrap_or_default();
                let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
                let authority = rest.get(..end).unwrap_or_default();
                if authority.is_empty() {
                    return Err(Violation);
                }
                self.head.authority = Some(authority.to_vec());
                Ok(())
            }
        }
    }

    fn header(&mut self, line: &[u8]) -> Result<(), Violation> {
        let (name, value) = split_field(line)?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                if self.head.has_host || !is_host(value) {
                    return Err(Violation);
                }
                if self.head.authority.as_ref().is_some_and(|authority| !authority.eq_ignore_ascii_case(value)) {
                    return Err(Violation);
                }
                self.head.has_host = true;
            }
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.head.asks_upgrade = true,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.head.content_length.is_some() || self.head.is_chunked {
                    return Err(Violation);
                }
                self.head.content_length = Some(content_length(value)?);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let is_refused = self.head.is_chunked
                    || self.head.content_length.is_some()
                    || self.head.is_http_10
                    || !value.eq_ignore_ascii_case(b"chunked");
                if is_refused {
                    return Err(Violation);
                }
                self.head.is_chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn end_of_head(&mut self) -> Result<(), Violation> {
        let head = &self.head;
        if !head.has_host && (!head.is_http_10 || head.authority.is_some()) {
            return Err(Violation);
        }
        match head.content_length {
            _ if head.is_chunked => self.state = State::ChunkSize,
            Some(length) if length > 0 => self.state = State::Fixed(length),
            Some(_) | None => self.end_of_message(),
        }
        Ok(())
    }
}

/// Splits a field line; refuses obs-fold, whitespace around the name, and lines without a colon.
fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    let colon = memchr(b':', line).ok_or(Violation)?;
    let (name, value) = line.split_at(colon);
    match (name.first(), name.last()) {
        (None | Some(b' ' | b'\t'), _) | (_, None | Some(b' ' | b'\t')) => Err(Violation),
        (Some(_), Some(_)) => Ok((name, value.get(1..).unwrap_or_default().trim_ascii())),
    }
}

/// One `Content-Length`: digits, and nothing else.
fn content_length(value: &[u8]) -> Result<u64, Violation> {
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Violation);
    }
    Ok(value.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0')))
}

/// The size in a chunk-size line (RFC 9112 section 7.1), which may carry extensions.
fn chunk_size(line: &[u8]) -> Result<u64, Violation> {
    if line.len() > MAX_CHUNK_LINE {
        return Err(Violation);
    }
    let digits = line.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(line.len());
    let (size, extension) = line.split_at(digits);
    if size.is_empty() || size.len() > 15 || !matches!(extension.first(), None | Some(b';')) {
        return Err(Violation);
    }
    let mut total = 0;
    for digit in size {
        let value = char::from(*digit).to_digit(16).ok_or(Violation)?;
        total = total * 16 + u64::from(value);
    }
    Ok(total)
}

/// Whether a `Host` value can only be read one way.
fn is_host(value: &[u8]) -> bool {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    !value.is_empty() && value.iter().all(is_plain)
}

fn starts_with_ignoring_case(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
pub(super) mod tests;
