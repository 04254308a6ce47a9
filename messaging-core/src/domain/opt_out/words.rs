//! Words by which a person says that it wants no more messages, or wants them again.
//!
//! They count only where they are all that a message says: whoever writes "please don't stop" wants
//! something else. Case, accents, punctuation, emoji and spaces make no difference.

use std::collections::BTreeMap;

use crate::named::named_enum;

named_enum! {
    /// A list of words.
    pub enum WordList {
        /// English: the first, so that a word which it shares with others counts as English.
        English = "en",
        /// Arabic.
        Arabic = "ar",
        /// German.
        German = "de",
        /// Spanish.
        Spanish = "es",
        /// French.
        French = "fr",
        /// Hindi, in both of its scripts.
        Hindi = "hi",
        /// Indonesian.
        Indonesian = "id",
        /// Italian.
        Italian = "it",
        /// Dutch.
        Dutch = "nl",
        /// Portuguese.
        Portuguese = "pt",
        /// Turkish.
        Turkish = "tr",
        /// The operator's own words.
        Own = "own",
    }
}

/// The longest message that is looked at, in characters; all that is longer says more than this.
const MAX_CHARS: usize = 100;

impl WordList {
    /// All languages there are words of.
    pub fn languages() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|list| *list != Self::Own)
    }

    /// The words for no more messages. Left out on purpose is what answers other questions as well,
    /// such as "cancel", "end" and "no".
    fn leaving(self) -> &'static [&'static str] {
        match self {
            Self::Arabic => {
                &["توقف", "قف", "أوقف", "إيقاف", "إلغاء الاشتراك", "الغ الاشتراك", "stop"]
            }
            Self::German => &[
                "stop",
                "stopp",
                "abmelden",
                "abbestellen",
                "austragen",
                "newsletter abbestellen",
                "keine nachrichten mehr",
            ],
            Self::English => &[
                "stop",
                "stop all",
                "stopall",
                "unsubscribe",
                "unsubscribe me",
                "opt out",
                "optout",
                "remove me",
                "stop messages",
                "stop messaging me",
                "no more messages",
            ],
            Self::Spanish => &[
                "stop",
                "parar",
                "baja",
                "dar de baja",
                "darme de baja",
                "darse de baja",
                "cancelar suscripción",
                "cancelar la suscripción",
                "desuscribir",
                "desuscribirme",
                "no más mensajes",
                "no quiero más mensajes",
            ],
            Self::French => &[
                "stop",
                "arrêt",
                "arrêter",
                "arrêtez",
                "désabonner",
                "me désabonner",
                "se désabonner",
                "désabonnement",
                "désinscription",
                "désinscrire",
                "me désinscrire",
                "plus de messages",
            ],
            Self::Hindi => &[
                "stop",
                "रोकें",
                "रोको",
                "बंद करें",
                "बंद करो",
                "सदस्यता समाप्त करें",
                "सदस्यता रद्द करें",
                "roko",
                "band karo",
                "band karen",
                "band karein",
            ],
            Self::Indonesian => &[
                "stop",
                "berhenti",
                "hentikan",
                "berhenti berlangganan",
                "unreg",
                "jangan kirim lagi",
            ],
            Self::Italian => &[
                "stop",
                "ferma",
                "disiscrivi",
                "disiscrivimi",
                "disiscriviti",
                "disiscrizione",
                "annulla iscrizione",
                "annulla l'iscrizione",
                "cancellami",
                "rimuovimi",
                "niente più messaggi",
            ],
            Self::Dutch => &[
                "stop",
                "stoppen",
                "afmelden",
                "uitschrijven",
                "meld me af",
                "schrijf me uit",
                "geen berichten meer",
            ],
            Self::Portuguese => &[
                "stop",
                "parar",
                "pare",
                "sair",
                "sair da lista",
                "descadastrar",
                "cancelar inscrição",
                "cancelar a inscrição",
                "remover da lista",
                "não quero mais mensagens",
                "não quero mais receber",
            ],
            Self::Turkish => &[
                "stop",
                "dur",
                "durdur",
                "ret",
                "abonelikten çık",
                "aboneliği iptal et",
                "listeden çıkar",
                "mesaj istemiyorum",
            ],
            Self::Own => &[],
        }
    }

    /// The words for messages again.
    fn returning(self) -> &'static [&'static str] {
        match self {
            Self::Arabic => &["ابدأ", "اشتراك", "إعادة الاشتراك", "start"],
            Self::German => &["start", "anmelden", "wieder anmelden", "abonnieren"],
            Self::English => &[
                "start",
                "unstop",
                "subscribe",
                "resubscribe",
                "opt in",
                "optin",
                "start messages",
            ],
            Self::Spanish => {
                &["start", "alta", "dar de alta", "darme de alta", "suscribir", "suscribirme"]
            }
            Self::French => &["start", "abonner", "m'abonner", "réabonner", "me réabonner"],
            Self::Hindi => &["start", "शुरू करें", "शुरू करो", "सदस्यता लें", "shuru karo", "shuru karen"],
            Self::Indonesian => &["start", "mulai", "mulai lagi", "berlangganan"],
            Self::Italian => &["start", "iscrivi", "iscrivimi", "riprendi"],
            Self::Dutch => &["start", "aanmelden", "inschrijven", "hervatten"],
            Self::Portuguese => &["start", "inscrever", "quero receber", "voltar a receber"],
            Self::Turkish => &["start", "başlat", "abone ol"],
            Self::Own => &[],
        }
    }
}

/// What a message that consists of such words says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// No more messages.
    Leave(WordList),
    /// Messages again.
    Return(WordList),
}

/// The words that count.
#[derive(Clone, PartialEq, Eq)]
pub struct OptOutWords(BTreeMap<String, Said>);

impl Default for OptOutWords {
    /// Those of all languages.
    fn default() -> Self {
        Self::new(&WordList::languages().collect::<Vec<_>>(), &[], &[])
    }
}

impl OptOutWords {
    /// The words of these languages, and own ones for no more messages and for messages again. Where
    /// a word stands in several lists, an own one wins, and then the language named first; and one
    /// that would say both says that no more are wanted.
    pub fn new(languages: &[WordList], leaving: &[String], returning: &[String]) -> Self {
        let mut known = BTreeMap::new();
        let mut add = |words: &mut dyn Iterator<Item = &str>, said| {
            for word in words.map(plain).filter(|word| !word.is_empty()) {
                known.entry(word).or_insert(said);
            }
        };
        add(&mut leaving.iter().map(String::as_str), Said::Leave(WordList::Own));
        for list in languages {
            // An own word for messages again wins over a language's for none, but not over an own.
            let own: Vec<String> = returning.iter().map(|word| plain(word)).collect();
            let leaving = list.leaving().iter().copied();
            let mut leaving = leaving.filter(|word| !own.contains(&plain(word)));
            add(&mut leaving, Said::Leave(*list));
        }
        add(&mut returning.iter().map(String::as_str), Said::Return(WordList::Own));
        for list in languages {
            add(&mut list.returning().iter().copied(), Said::Return(*list));
        }
        Self(known)
    }

    /// What a message with this text says; nothing, where there is more to it, or something else.
    pub fn read(&self, text: &str) -> Option<Said> {
        if self.0.is_empty() || text.chars().nth(MAX_CHARS).is_some() {
            return None;
        }
        let said = plain(text);
        // "Stop, stop!" says no more than "stop".
        let each = || said.split(' ').map(|word| self.0.get(word));
        let repeated = || {
            each().try_fold(None, |first, said| match (first, *said?) {
                (None, said) => Some(Some(said)),
                (Some(Said::Leave(list)), Said::Leave(_)) => Some(Some(Said::Leave(list))),
                (Some(Said::Return(list)), Said::Return(_)) => Some(Some(Said::Return(list))),
                _ => None,
            })
        };
        self.0.get(&said).copied().or_else(|| repeated().flatten())
    }
}

impl std::fmt::Debug for OptOutWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OptOutWords").field("words", &self.0.len()).finish()
    }
}

/// Whether a text has anything in it that could be compared.
pub fn is_word(text: &str) -> bool {
    !plain(text).is_empty() && text.chars().nth(MAX_CHARS).is_none()
}

/// What of a text is compared: its letters and digits, without case and accents, and one space where
/// there is anything else between them.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut gap = false;
    for character in text.chars().map(narrow).flat_map(char::to_lowercase) {
        match folded(character) {
            Folded::Nothing => {}
            Folded::Gap => gap = true,
            Folded::Letters(letters) => {
                if gap && !plain.is_empty() {
                    plain.push(' ');
                }
                gap = false;
                plain.push_str(letters);
            }
            Folded::Itself => {
                if gap && !plain.is_empty() {
                    plain.push(' ');
                }
                gap = false;
                plain.push(character);
            }
        }
    }
    plain
}

/// What becomes of one character, in lower case.
enum Folded {
    /// It makes no difference, not even between two letters.
    Nothing,
    /// It stands between words.
    Gap,
    /// It is compared as these.
    Letters(&'static str),
    /// It is compared as it is.
    Itself,
}

/// The full width forms of ASCII, as East Asian keyboards write them, as what they stand for.
fn narrow(character: char) -> char {
    match character {
        '\u{FF01}'..='\u{FF5E}' => {
            char::from_u32(u32::from(character) - 0xFEE0).unwrap_or(character)
        }
        _ => character,
    }
}

fn folded(character: char) -> Folded {
    match character {
        // Accents that stand by themselves; vowel signs of Arabic, and its stretching; joiners,
        // marks of direction, and what makes an emoji of a character.
        '\u{300}'..='\u{36F}'
        | '\u{610}'..='\u{61A}'
        | '\u{640}'
        | '\u{64B}'..='\u{65F}'
        | '\u{670}'
        | '\u{AD}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2069}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' => Folded::Nothing,
        // A full stop of Devanagari, and its double; the rest of the block are letters and signs
        // that a word is not the same without.
        '\u{964}' | '\u{965}' => Folded::Gap,
        '\u{900}'..='\u{97F}' => Folded::Itself,
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' => Folded::Letters("a"),
        'ç' | 'ć' | 'č' => Folded::Letters("c"),
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => Folded::Letters("e"),
        'ğ' => Folded::Letters("g"),
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'ı' => Folded::Letters("i"),
        'ñ' | 'ń' | 'ň' => Folded::Letters("n"),
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ő' => Folded::Letters("o"),
        'ś' | 'ş' | 'š' | 'ș' => Folded::Letters("s"),
        'ß' => Folded::Letters("ss"),
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ű' => Folded::Letters("u"),
        'ý' | 'ÿ' => Folded::Letters("y"),
        'ź' | 'ż' | 'ž' => Folded::Letters("z"),
        // Alef is written with its hamza or without, and often wrongly.
        'أ' | 'إ' | 'آ' | 'ٱ' => Folded::Letters("ا"),
        'ى' => Folded::Letters("ي"),
        'ة' => Folded::Letters("ه"),
        _ if character.is_alphanumeric() => Folded::Itself,
        _ => Folded::Gap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leave(list: WordList) -> Option<Said> {
        Some(Said::Leave(list))
    }

    #[track_caller]
    fn check(text: &str, expected: Option<Said>) {
        let read = OptOutWords::default().read(text);
        let kind = |said: Said| std::mem::discriminant(&said);
        assert_eq!(read.map(kind), expected.map(kind), "{text:?} is read as {read:?}");
    }

    fn says_no_more(text: &str) {
        check(text, leave(WordList::English));
    }

    fn says_nothing_of_it(text: &str) {
        check(text, None);
    }

    #[test]
    fn who_says_it_twice_says_it() {
        says_no_more("STOP STOP");
        says_no_more("stop!stop!STOP!");
        says_no_more("unsubscribe, stop");
        check("start start", Some(Said::Return(WordList::English)));
        says_nothing_of_it("stop start");
        says_nothing_of_it("stop it");
        says_nothing_of_it("please stop");
    }

    #[test]
    fn case_punctuation_and_spaces_make_no_difference() {
        for text in [
            "STOP",
            "stop",
            "Stop.",
            " stop ",
            "\"Stop\"!",
            "stop 🛑",
            "🛑STOP🛑",
            "stop\n",
            "¡STOP!",
            "STOP ALL",
            "stop   all",
            "Opt-Out",
            "opt_out",
            "ｓｔｏｐ",
            "ＳＴＯＰ！",
            "s\u{200B}top",
            "st\u{AD}op",
            "\u{202A}stop\u{202C}",
            "stop\u{FE0F}",
            "UNSUBSCRIBE.",
        ] {
            says_no_more(text);
        }
    }

    #[test]
    fn accents_make_no_difference_however_they_are_written() {
        for text in [
            "arrêt",
            "ARRÊT",
            "arret",
            "arre\u{302}t",
            "desabonner",
            "Désabonner",
            "Cancelar inscricao",
        ] {
            says_no_more(text);
        }
        // Turkish has a dot on its large I, and a small one without.
        for text in
            ["ABONELİĞİ İPTAL ET", "aboneliği iptal et", "aboneligi iptal et", "ABONELİKTEN ÇIK"]
        {
            says_no_more(text);
        }
    }

    #[test]
    fn other_scripts_are_read() {
        for text in [
            "रोकें",
            "रोकें।",
            "बंद करें",
            "أوقف",
            "اوقف",
            "توقّف",
            "توقـــف",
            "إلغاء الاشتراك",
            "الغاء الإشتراك",
        ] {
            says_no_more(text);
        }
        check("शुरू करें", Some(Said::Return(WordList::Hindi)));
        check("ابدا", Some(Said::Return(WordList::Arabic)));
    }

    #[test]
    fn a_message_that_says_more_says_something_else() {
        for text in [
            "",
            " ",
            "🛑",
            "please don't stop",
            "stop it",
            "stop by at five",
            "nonstop",
            "stopped",
            "stop stop stop now",
            "no",
            "cancel",
            "end",
            "para",
            "s t o p",
            "bus stop",
            "don't stop",
            "unsubscribe? never",
            "रोक",
            "قفل",
        ] {
            says_nothing_of_it(text);
        }
        says_nothing_of_it(&format!("stop{}", " ".repeat(MAX_CHARS)));
        says_nothing_of_it(&"stop ".repeat(10_000));
    }

    #[test]
    fn words_for_messages_again_are_told_apart() {
        for text in ["START", "start!", "Unstop", "opt-in", "Alta", "m'abonner", "başlat"] {
            check(text, Some(Said::Return(WordList::English)));
        }
    }

    #[test]
    fn only_the_languages_asked_for_count() {
        let german = OptOutWords::new(&[WordList::German], &[], &[]);
        assert_eq!(german.read("Abmelden"), leave(WordList::German));
        assert_eq!(german.read("STOP"), leave(WordList::German));
        assert_eq!(german.read("unsubscribe"), None);
        let none = OptOutWords::new(&[], &[], &[]);
        assert_eq!(none.read("stop"), None);
    }

    #[test]
    fn own_words_count_and_win() {
        let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let words = OptOutWords::new(
            &[WordList::English],
            &own(&["Genug!", "both", " "]),
            &own(&["unsubscribe", "both", "Weiter"]),
        );
        assert_eq!(words.read("genug"), leave(WordList::Own));
        assert_eq!(words.read("weiter"), Some(Said::Return(WordList::Own)));
        assert_eq!(words.read("Unsubscribe"), Some(Said::Return(WordList::Own)));
        assert_eq!(words.read("BOTH"), leave(WordList::Own));
        assert_eq!(words.read(" "), None);
    }

    #[test]
    fn every_word_of_every_language_is_found_again_and_says_one_thing() {
        for list in WordList::languages() {
            let words = OptOutWords::new(&[list], &[], &[]);
            for word in list.leaving() {
                assert_eq!(words.read(word), leave(list), "{word}");
                assert_eq!(words.read(&word.to_uppercase()), leave(list), "{word}");
                check(word, leave(list));
            }
            for word in list.returning() {
                assert_eq!(words.read(word), Some(Said::Return(list)), "{word}");
                check(word, Some(Said::Return(list)));
            }
            assert!(!list.leaving().is_empty() && !list.returning().is_empty(), "{list}");
        }
    }

    #[test]
    fn no_word_mixes_scripts_that_look_alike() {
        let script = |character: char| match character {
            '\u{600}'..='\u{6FF}' => "Arabic",
            '\u{900}'..='\u{97F}' => "Devanagari",
            '\0'..='\u{24F}' => "Latin",
            _ => "another",
        };
        for list in WordList::languages() {
            for word in list.leaving().iter().chain(list.returning()) {
                let letters = word.chars().filter(|character| character.is_alphabetic());
                let mut scripts: Vec<_> = letters.map(script).collect();
                scripts.dedup();
                assert!(scripts.len() == 1 && scripts != ["another"], "{word}: {scripts:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_compared_is_no_word() {
        for (text, expected) in [("genug", true), ("", false), ("!!", false), ("🛑", false)] {
            assert_eq!(is_word(text), expected, "{text:?}");
        }
    }
}
