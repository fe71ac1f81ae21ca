//! What becomes of two baskets when a guest turns out to be a customer: the rule, without a database.
//!
//! The modes and their names are those of Salesforce's `mergeBasket`.

use serde::Deserialize;

use super::MAX_QUANTITY;
use super::items::Line;

/// What happens to a thing that is in both baskets. What is in one of them only is taken over in each mode.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    /// The greater of the two quantities.
    #[default]
    HigherQuantity,
    /// Both quantities together, as far as a line may go.
    SumQuantities,
    /// The quantity in the customer's basket.
    SavedQuantity,
    /// Two lines.
    SeparateItem,
}

/// The customer's lines after the guest's were added: the customer's in their order, then what was new. A custom attribute
/// that both lines have keeps the customer's value.
pub(super) fn merged(mode: Mode, customers: Vec<Line>, guests: Vec<Line>) -> Vec<Line> {
    let mut lines = customers;
    for guest in guests {
        let mine = lines.iter_mut().find(|line| mode != Mode::SeparateItem && line.is_the_same_thing(&guest));
        let Some(mine) = mine else {
            lines.push(guest);
            continue;
        };
        mine.quantity = match mode {
            Mode::HigherQuantity => mine.quantity.max(guest.quantity),
            Mode::SumQuantities => (mine.quantity + guest.quantity).min(MAX_QUANTITY),
            Mode::SavedQuantity | Mode::SeparateItem => mine.quantity,
        };
        for (name, value) in guest.custom.0 {
            mine.custom.0.entry(name).or_insert(value);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::items::{Attributes, Custom};
    use super::*;
    use serde_json::json;

    fn line(product: &str, quantity: i64) -> Line {
        Line {
            id: format!("{product}{quantity}"),
            product_id: product.to_owned(),
            quantity,
            attributes: Attributes::default(),
            custom: Custom::default(),
        }
    }

    fn check(mode: Mode, customers: &[(&str, i64)], guests: &[(&str, i64)], expected: &[(&str, i64)]) {
        let of = |lines: &[(&str, i64)]| lines.iter().map(|(product, quantity)| line(product, *quantity)).collect();
        let merged = merged(mode, of(customers), of(guests));
        let merged: Vec<_> = merged.iter().map(|line| (line.product_id.as_str(), line.quantity)).collect();
        assert_eq!(merged, expected, "{mode:?}");
    }

    #[test]
    fn each_mode_decides_about_what_is_in_both_baskets() {
        let (customers, guests) = ([("A", 2), ("D", 6), ("E", 7)], [("A", 5), ("B", 3), ("C", 4)]);
        let rest = [("D", 6), ("E", 7), ("B", 3), ("C", 4)];
        for (mode, quantity) in [(Mode::HigherQuantity, 5), (Mode::SumQuantities, 7), (Mode::SavedQuantity, 2)] {
            check(mode, &customers, &guests, &[&[("A", quantity)], &rest[..]].concat());
        }
        let both = [("A", 2), ("D", 6), ("E", 7), ("A", 5), ("B", 3), ("C", 4)];
        check(Mode::SeparateItem, &customers, &guests, &both);
    }

    #[test]
    fn a_sum_stays_within_what_a_line_may_hold() {
        check(Mode::SumQuantities, &[("A", 9_000)], &[("A", 9_000)], &[("A", MAX_QUANTITY)]);
    }

    #[test]
    fn an_empty_basket_on_either_side_changes_nothing_of_the_other() {
        for mode in [Mode::HigherQuantity, Mode::SumQuantities, Mode::SavedQuantity, Mode::SeparateItem] {
            check(mode, &[], &[("A", 5), ("B", 1)], &[("A", 5), ("B", 1)]);
            check(mode, &[("A", 2)], &[], &[("A", 2)]);
        }
    }

    #[test]
    fn lines_that_differ_in_anything_but_custom_attributes_are_two_things() {
        type Change = fn(&mut Attributes);
        let changes: [Change; 7] = [
            |attributes| attributes.shipment_id = "second".to_owned(),
            |attributes| drop(attributes.options.insert("grind".to_owned(), "fine".to_owned())),
            |attributes| attributes.wish_list_item = Some("wish".to_owned()),
            |attributes| attributes.inventory_id = Some("north".to_owned()),
            |attributes| attributes.is_gift = true,
            |attributes| attributes.gift_message = Some("Enjoy".to_owned()),
            |attributes| attributes.ad_hoc_price = Some(100),
        ];
        for change in changes {
            let mut other = line("A", 5);
            change(&mut other.attributes);
            assert_eq!(merged(Mode::SumQuantities, vec![line("A", 2)], vec![other.clone()]).len(), 2, "{other:?}");
            let same = merged(Mode::SumQuantities, vec![other.clone()], vec![other]);
            assert_eq!(same.len(), 1);
            assert_eq!(same[0].quantity, 10);
        }
    }

    #[test]
    fn the_customers_custom_attributes_win() {
        let with = |quantity, custom: serde_json::Value| Line {
            custom: serde_json::from_value(custom).unwrap(),
            ..line("A", quantity)
        };
        let merged = merged(
            Mode::default(),
            vec![with(1, json!({ "c_note": "mine", "c_own": 1 }))],
            vec![with(2, json!({ "c_note": "guest's", "c_more": true }))],
        );
        assert_eq!(
            merged,
            [Line { id: "A1".to_owned(), ..with(2, json!({ "c_note": "mine", "c_own": 1, "c_more": true })) }]
        );
    }
}
