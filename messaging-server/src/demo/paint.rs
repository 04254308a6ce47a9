//! Colours where they are wanted, and what may be shown of a message.

/// Puts colours around texts, or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    colours: bool,
}

impl Paint {
    /// With colours on a terminal, unless `NO_COLOR` (no-color.org) asks for none.
    pub(super) fn new(is_terminal: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colours: is_terminal && !unwanted && !dumb }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(super) fn waiting(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(super) fn plain(self, text: &str) -> String {
        self.with("36", text)
    }
}

/// A number with its middle left out.
pub(super) fn masked(address: &str) -> String {
    let chars: Vec<char> = address.chars().collect();
    match chars.len() {
        0..=5 => "…".to_owned(),
        length => chars[..3].iter().chain(&['…']).chain(&chars[length - 2..]).collect(),
    }
}

/// The beginning of a text, as wide as `width` at the most. What a terminal would obey instead of
/// showing it is a dot.
pub(super) fn excerpt(text: &str, width: usize) -> String {
    let shown = text.chars().map(harmless);
    if text.chars().count() <= width {
        return shown.collect();
    }
    shown.take(width.saturating_sub(1)).chain(['…']).collect()
}

fn harmless(c: char) -> char {
    let turns_text =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns_text { '·' } else { c }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_shown_in_part() {
        assert_eq!(masked("+5511988887777"), "+55…77");
        assert_eq!(masked("+1234"), "…");
    }

    #[test]
    fn a_text_cannot_take_over_the_terminal() {
        assert_eq!(excerpt("a\x1b[31mb\u{202e}c", 20), "a·[31mb·c");
        assert_eq!(excerpt("a long text", 6), "a lon…");
    }

    #[test]
    fn without_colours_texts_stay_as_they_are() {
        assert_eq!(Paint { colours: false }.bad("failed"), "failed");
        assert_eq!(Paint { colours: true }.bad("failed"), "\x1b[31mfailed\x1b[0m");
    }
}
