//! Which characters a text may have.
//!
//! What people write is kept byte for byte. Refused is only what shows nothing and changes how the
//! rest is shown, or what programs take for commands: control characters, directional overrides and
//! a few invisible ones. The joiners that emoji, Persian and Indic scripts are written with stay.

/// What a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextUse {
    /// Something to read, with lines.
    Prose,
    /// A name or a label: one line, and nothing that does not show.
    Name,
}

/// What a text may not have in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsafe {
    /// A control character.
    Control,
    /// A character that changes the direction of what follows it and is not closed.
    Direction,
    /// A character that does not show.
    Invisible,
}

impl Unsafe {
    /// What is wrong, for people. Repeats nothing of the text.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Control => "must have no control characters",
            Self::Direction => "must have no characters that override the direction of the text",
            Self::Invisible => "must have no characters that do not show",
        }
    }
}

/// The first thing that is wrong with a text.
pub fn unsafe_part(text: &str, of: TextUse) -> Option<Unsafe> {
    let mut before = None;
    let mut characters = text.chars().peekable();
    // Isolates and embeddings that were opened: they must be closed in the same text, or they
    // would reach over what a view shows behind it.
    let mut open: Vec<char> = Vec::new();
    while let Some(each) = characters.next() {
        let wrong = match each {
            '\n' | '\t' | '\r' if of == TextUse::Prose => None,
            _ if each.is_control() => Some(Unsafe::Control),
            // The separators of lines and paragraphs break a line in a name, and a script in a page.
            '\u{2028}' | '\u{2029}' if of == TextUse::Name => Some(Unsafe::Control),
            // Overrides show letters in an order that nobody wrote.
            '\u{202D}' | '\u{202E}' => Some(Unsafe::Direction),
            '\u{202A}' | '\u{202B}' | '\u{2066}'..='\u{2068}' => {
                open.push(each);
                (of == TextUse::Name).then_some(Unsafe::Direction)
            }
            // The end of an embedding; one that ends nothing has no effect.
            '\u{202C}' => {
                if open.last().is_some_and(|it| *it < '\u{2066}') {
                    open.pop();
                }
                (of == TextUse::Name).then_some(Unsafe::Direction)
            }
            // The end of an isolate ends the embeddings within it as well.
            '\u{2069}' => {
                if let Some(at) = open.iter().rposition(|it| *it >= '\u{2066}') {
                    open.truncate(at);
                }
                (of == TextUse::Name).then_some(Unsafe::Direction)
            }
            // Joiners join something: in emoji, in Persian and in Indic words.
            '\u{200C}' | '\u{200D}' => {
                let joins = before.is_some_and(joinable)
                    && characters.peek().copied().is_some_and(joinable);
                (of == TextUse::Name && !joins).then_some(Unsafe::Invisible)
            }
            // A zero-width space, word joiner, soft hyphen or byte order mark make two names that
            // look the same; in prose they break lines, which is what they are for.
            '\u{00AD}'
            | '\u{200B}'
            | '\u{2060}'
            | '\u{FEFF}'
            | '\u{180E}'
            | '\u{3164}'
            | '\u{115F}'
            | '\u{1160}'
            | '\u{FFA0}'
            | '\u{200E}'
            | '\u{200F}'
            | '\u{061C}'
            | '\u{034F}'
            | '\u{2061}'..='\u{2064}'
            | '\u{206A}'..='\u{206F}' => (of == TextUse::Name).then_some(Unsafe::Invisible),
            // Annotations carry text beside the text, and are not for exchange.
            '\u{FFF9}'..='\u{FFFB}' => Some(Unsafe::Invisible),
            // Tags write flags of regions, behind a black flag; elsewhere they carry hidden text.
            '\u{E0000}'..='\u{E007F}' => {
                let belongs = before == Some('\u{1F3F4}')
                    || before.is_some_and(|it| ('\u{E0020}'..='\u{E007E}').contains(&it));
                (!belongs).then_some(Unsafe::Invisible)
            }
            // No characters, for ever.
            _ if is_noncharacter(each) => Some(Unsafe::Invisible),
            _ => None,
        };
        if wrong.is_some() {
            return wrong;
        }
        before = Some(each);
    }
    (!open.is_empty()).then_some(Unsafe::Direction)
}

/// Whether a joiner may stand beside it.
fn joinable(each: char) -> bool {
    // A variation selector belongs to the character before it.
    !each.is_whitespace() && !each.is_ascii() && !matches!(each, '\u{200B}'..='\u{200F}')
}

fn is_noncharacter(each: char) -> bool {
    let value = u32::from(each);
    value & 0xFFFE == 0xFFFE || (0xFDD0..=0xFDEF).contains(&value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, prose: Option<Unsafe>, name: Option<Unsafe>) {
        let found = (unsafe_part(text, TextUse::Prose), unsafe_part(text, TextUse::Name));
        assert_eq!(found, (prose, name), "{text:?}");
    }

    #[test]
    fn what_people_write_is_safe() {
        for text in [
            "Hello, world! 100% <b>&amp;</b> '; DROP TABLE messages;--",
            "Grüße, naïve café, Ångström, e\u{301}",
            "שלום עולם, مرحبا بالعالم, سلام دنیا",
            // Persian with its half space, Hindi and Malayalam with their joiners.
            "می\u{200C}خواهم",
            "क्\u{200D}ष र्\u{200C}य",
            "അവന്\u{200D}റെ",
            // A family, a rainbow flag, a skin tone, Scotland, a keycap.
            "👨\u{200D}👩\u{200D}👧\u{200D}👦 🏳\u{FE0F}\u{200D}🌈 👋🏽 1\u{FE0F}\u{20E3}",
            "🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}",
            "中文 日本語 한국어 ไทย",
        ] {
            check(text, None, None);
        }
    }

    #[test]
    fn lines_and_tabs_are_prose_and_no_name() {
        for text in ["a\nb", "a\tb", "a\r\nb"] {
            check(text, None, Some(Unsafe::Control));
        }
        check("a\u{2028}b", None, Some(Unsafe::Control));
    }

    #[test]
    fn control_characters_are_refused_everywhere() {
        for control in (0..0x20).chain(0x7F..0xA0).filter_map(char::from_u32) {
            let expected = (!matches!(control, '\n' | '\r' | '\t')).then_some(Unsafe::Control);
            check(&format!("a{control}b"), expected, Some(Unsafe::Control));
        }
    }

    #[test]
    fn overrides_of_direction_are_refused_everywhere() {
        for text in ["invoice\u{202E}fdp.exe", "\u{202D}123"] {
            check(text, Some(Unsafe::Direction), Some(Unsafe::Direction));
        }
    }

    #[test]
    fn isolates_and_embeddings_must_be_closed() {
        for text in [
            "a \u{2067}אב\u{2069} c",
            "\u{202B}אב\u{202C}",
            "\u{2066}\u{202A}a\u{2069}",
            "a\u{202C}",
        ] {
            check(text, None, Some(Unsafe::Direction));
        }
        for text in
            ["a\u{2067}", "\u{202A}\u{2069}", "\u{2067}\u{202C}", "\u{2068}\u{2068}a\u{2069}"]
        {
            check(text, Some(Unsafe::Direction), Some(Unsafe::Direction));
        }
    }

    #[test]
    fn names_show_all_that_they_are() {
        for text in [
            "ac\u{200B}me",
            "ac\u{AD}me",
            "\u{FEFF}acme",
            "acme\u{200E}",
            "ac\u{2060}me",
            "\u{3164}",
            // A joiner between letters that join nothing, at an end, or twice.
            "ac\u{200D}me",
            "acme\u{200D}",
            "\u{200C}acme",
            "م\u{200C}\u{200C}م",
        ] {
            check(text, None, Some(Unsafe::Invisible));
        }
    }

    #[test]
    fn hidden_text_is_refused_everywhere() {
        for text in [
            "hi\u{E0048}\u{E0049}",
            "\u{FFF9}a\u{FFFA}b\u{FFFB}",
            "a\u{FFFF}",
            "\u{FDD0}",
            "\u{1FFFE}",
        ] {
            check(text, Some(Unsafe::Invisible), Some(Unsafe::Invisible));
        }
    }

    proptest! {
        #[test]
        fn what_is_safe_stays_so_beside_what_is_safe(
            one in "[a\u{5d0} \n\u{202a}-\u{202e}\u{2066}-\u{2069}\u{200c}\u{200d}\u{7}]{0,12}",
            other in any::<String>(),
        ) {
            for (a, b) in [(&one, &other), (&other, &one), (&one, &one)] {
                let both = [a, b].map(|text| unsafe_part(text, TextUse::Prose));
                if both == [None, None] {
                    let joined = format!("{a}{b}");
                    prop_assert_eq!(unsafe_part(&joined, TextUse::Prose), None);
                }
            }
        }

        #[test]
        fn what_may_be_a_name_may_be_a_text_and_has_nothing_that_commands(text in any::<String>()) {
            if unsafe_part(&text, TextUse::Name).is_none() {
                prop_assert_eq!(unsafe_part(&text, TextUse::Prose), None);
                prop_assert!(!text.chars().any(char::is_control));
            }
            if unsafe_part(&text, TextUse::Prose).is_none() {
                let is_unsafe = text.contains(['\u{202D}', '\u{202E}', '\0', '\u{1B}']);
                prop_assert!(!is_unsafe);
            }
        }
    }
}
