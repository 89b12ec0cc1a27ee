//! Text in columns: wrapped at blanks, cut with a mark.

/// Columns of output that goes into a pipe or file.
pub const PIPE_WIDTH: usize = 80;

/// Breaks at blanks; `lead` stands before the first line, as many blanks before the others. Long words stay whole.
pub fn wrap(text: &str, width: usize, lead: &str) -> String {
    let indent = " ".repeat(lead.chars().count());
    let mut out = lead.to_owned();
    let mut column = indent.len();
    let mut fresh = true;
    for word in text.split_whitespace() {
        let visible = word.chars().count();
        if !fresh && column + 1 + visible > width {
            out.push('\n');
            out.push_str(&indent);
            column = indent.len();
            fresh = true;
        }
        if !fresh {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += visible;
        fresh = false;
    }
    out
}

/// As [`wrap`], each line by itself: the first after `lead`, the others below it. One that is indented stays as it is.
pub fn wrap_lines(text: &str, width: usize, lead: &str) -> String {
    let below = " ".repeat(lead.chars().count());
    let broken = text.lines().enumerate().map(|(i, line)| match i {
        0 => wrap(line, width, lead),
        _ if line.starts_with([' ', '\t']) => format!("{below}{line}"),
        _ => wrap(line, width, &below),
    });
    broken.collect::<Vec<_>>().join("\n")
}

/// An error's lines for a terminal: sentences are broken at blanks, below themselves. What is quoted stays as it is: lines
/// that are indented (a file's excerpt) and what stands in backticks, which may be a command to copy.
pub fn wrap_error(text: &str, width: usize) -> String {
    /// Stands for a blank that must not be broken at; no text for people holds it.
    const HELD: char = '\u{1}';
    /// Below what is quoted of a file.
    const HINT: &str = "  hint: ";
    let broken = |line: &str| {
        let quoted = line.starts_with([' ', '\t']) && !line.starts_with(HINT);
        if line.chars().count() <= width || quoted {
            return line.to_owned();
        }
        let mut quoted = false;
        let held = line.chars().map(|c| {
            quoted ^= c == '`';
            if quoted && c == ' ' { HELD } else { c }
        });
        let held: String = held.collect();
        let lead = ["error: ", "hint: ", HINT].into_iter().find(|lead| held.starts_with(lead));
        let (lead, rest) = held.split_at(lead.map_or(0, str::len));
        wrap(rest, width, lead).replace(HELD, " ")
    };
    text.lines().map(broken).collect::<Vec<_>>().join("\n")
}

/// At most `width` characters; what is longer ends in `...`.
pub fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        line.to_owned()
    } else {
        line.chars().take(width.saturating_sub(3)).chain("...".chars()).collect()
    }
}

/// The ending of a noun after a number.
pub fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_at_blanks_and_indented_below_its_lead() {
        assert_eq!(wrap("one two three", 9, "* "), "* one two\n  three");
        assert_eq!(wrap("averyveryverylongword x", 8, ""), "averyveryverylongword\nx");
    }

    #[test]
    fn an_error_is_broken_into_lines_and_what_it_quotes_is_not() {
        let text = "error: one two three four\nhint: take `harness run --all` or none\n  12 | a line of a file as it is";
        let shown = "error: one two\n       three four\nhint: take\n      `harness run --all`\n      or none\n  12 | a line of a file as it is";
        assert_eq!(wrap_error(text, 17), shown);
        assert_eq!(wrap_error(text, 99), text);
        let hint = "  1 | as it is, however long\n  hint: known here: one, two";
        let shown = "  1 | as it is, however long\n  hint: known here:\n        one, two";
        assert_eq!(wrap_error(hint, 20), shown);
    }

    #[test]
    fn lines_stay_lines_below_their_lead() {
        let text = "one two three\nhint: four\n  as it  is";
        assert_eq!(wrap_lines(text, 12, "* "), "* one two\n  three\n  hint: four\n    as it  is");
    }

    #[test]
    fn long_lines_are_cut_with_a_mark() {
        assert_eq!(cut("abcdefgh", 6), "abc...");
        assert_eq!(cut("abc", 6), "abc");
    }
}
