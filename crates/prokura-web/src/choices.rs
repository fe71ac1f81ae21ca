//! One page of the list of companies somebody may act for, as the chooser of a login and the account show it.

use crate::{
    pages::view::{Companies, CompanyBadge, CompanyChoice, Pager, Problem},
    visit::filled,
};
use prokura_engine::EntityChoice;
use prokura_http::Params;

/// Companies on one page of the list.
const PAGE: usize = 20;

/// A company as pages show it.
pub(crate) fn badge(choice: &EntityChoice) -> CompanyBadge {
    CompanyBadge::new(choice.id.as_str(), choice.name.clone())
}

/// The page of the list that `params` ask for (`q`, `page`), with one of the companies `selected`.
pub(crate) fn companies(
    choices: Vec<EntityChoice>,
    params: &Params,
    selected: Option<String>,
    problem: Option<Problem>,
) -> Companies {
    let total = u32::try_from(choices.len()).unwrap_or(u32::MAX);
    let query = filled(params, "q").to_owned();
    let sought = query.to_lowercase();
    let found: Vec<_> = choices
        .into_iter()
        .filter(|choice| choice.name.to_lowercase().contains(&sought) || choice.id.as_str().to_lowercase() == sought)
        .collect();
    let last = u32::try_from(found.len().div_ceil(PAGE)).unwrap_or(1).max(1);
    let number = filled(params, "page").parse::<u32>().unwrap_or(1).clamp(1, last);
    let skip = PAGE * (number as usize - 1);
    let shown = found.iter().skip(skip).take(PAGE);
    let companies = shown.map(|choice| CompanyChoice {
        badge: badge(choice),
        id: choice.id.to_string(),
        role: choice.role.clone(),
    });
    let pager = Pager { page: number, last };
    Companies { companies: companies.collect(), selected, is_myself_allowed: true, total, query, pager, problem }
}
