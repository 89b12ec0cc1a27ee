//! Where a setting stands in its file, so that a mistake found after reading can still be answered with its line.

use toml::de::{DeTable, DeValue};

/// The line (from 1) of a setting such as `shop[0].meta.pixel_id`, or of the table around it that is there.
pub(super) fn line_of(text: &str, setting: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut begin = None;
    for part in setting.split('.') {
        let (name, indexes) = part.split_once('[').unwrap_or((part, ""));
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == name) else { break };
        begin = Some(key.span().start);
        let mut value = value;
        for index in
            indexes.split('[').filter_map(|i| i.trim_end_matches(']').parse::<usize>().ok())
        {
            let DeValue::Array(list) = value.get_ref() else { break };
            let Some(item) = list.get(index) else { break };
            begin = Some(item.span().start);
            value = item;
        }
        let DeValue::Table(inner) = value.get_ref() else { break };
        table = inner;
    }
    let before = text.get(..begin?)?;
    Some(before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "operator_token = 'x'\n\n[delivery]\nbatch = 0\n\n[[shop]]\nid = 'a'\n\n[[shop]]\nid = 'b'\n\
                        secrets = [\n 'one',\n 'two',\n]\n[shop.meta]\npixel_id = 'x'\n";

    #[test]
    fn settings_are_found_in_tables_and_lists() {
        for (setting, line) in [
            ("operator_token", 1),
            ("delivery.batch", 4),
            ("shop[0].id", 7),
            ("shop[1].id", 10),
            ("shop[1].secrets[1]", 13),
            ("shop[1].meta.pixel_id", 16),
        ] {
            assert_eq!(line_of(TEXT, setting), Some(line), "{setting}");
        }
    }

    #[test]
    fn what_is_absent_is_placed_at_the_table_that_lacks_it() {
        assert_eq!(line_of(TEXT, "shop[1].meta.base_url"), Some(15));
        assert_eq!(line_of(TEXT, "retention.clicks_days"), None);
        assert_eq!(line_of("not toml", "x"), None);
    }
}
