//! The kinds of values settings have, and how each is read.

use std::path::PathBuf;
use std::time::Duration;

use messaging_core::domain::media_url::{HostNames, MediaUrls};
use messaging_core::domain::network::Networks;
use messaging_core::domain::new_chats::Spacing;
use messaging_core::domain::opt_out::words::{WordList, is_word};
use messaging_core::domain::phone::PhoneValidation;
use messaging_core::domain::tenant::Permission;
use messaging_store_postgres::{SCHEMA_RULE, is_schema_name};
use reqwest::Url;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

use crate::api::cors::Origins;
use crate::api::source::ProxyHeader;
use crate::config::node_role::NodeRole;
use crate::telemetry::logs::LogFormat;

/// A kind of value.
pub(crate) struct Kind<T: 'static> {
    /// Completes the sentence "expected …".
    pub(crate) expected: &'static str,
    /// Whether its values are never shown.
    pub(crate) secret: bool,
    /// Reads it; `None` where the text is no such value.
    pub(crate) read: fn(&str) -> Option<T>,
}

impl<T> Kind<T> {
    pub(crate) const fn open(expected: &'static str, read: fn(&str) -> Option<T>) -> Self {
        Self { expected, secret: false, read }
    }

    pub(crate) const fn hidden(expected: &'static str, read: fn(&str) -> Option<T>) -> Self {
        Self { expected, secret: true, read }
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A year is longer than any wait or token of this service should be.
const LONGEST: Duration = Duration::from_secs(366 * DAY.as_secs());

pub(crate) const SECRET: Kind<SecretString> =
    Kind::hidden("a secret", |text| Some(SecretString::from(text)));

pub(crate) const DATABASE_URL: Kind<SecretString> =
    Kind::hidden("a URL such as postgres://user:password@localhost:5432/messaging_api", |text| {
        secret_url(text, &["postgres", "postgresql"])
    });

pub(crate) const REDIS_URL: Kind<Vec<SecretString>> = Kind::hidden(
    "a URL such as redis://:password@localhost:6379, or several of a cluster's nodes with commas",
    |text| text.split(',').map(|url| secret_url(url.trim(), &["redis", "rediss"])).collect(),
);

pub(crate) const SCHEMA: Kind<String> =
    Kind::open(SCHEMA_RULE, |text| is_schema_name(text).then(|| text.to_owned()));

pub(crate) const KEY_PREFIX: Kind<String> =
    Kind::open("1 to 50 letters, digits, :, _ or -", |text| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
        ((1..=50).contains(&text.len()) && text.chars().all(allowed)).then(|| text.to_owned())
    });

pub(crate) const NETWORKS: Kind<Networks> = Kind::open(
    "IP addresses or networks such as 10.0.0.0/8 or 2001:db8::/32, with commas",
    |text| text.parse().ok(),
);

pub(crate) const PROXY_HEADER: Kind<ProxyHeader> =
    Kind::open("x-forwarded-for or forwarded", |text| match text.to_ascii_lowercase().as_str() {
        "x-forwarded-for" => Some(ProxyHeader::XForwardedFor),
        "forwarded" => Some(ProxyHeader::Forwarded),
        _ => None,
    });

pub(crate) const ORIGINS: Kind<Origins> =
    Kind::open("*, or origins such as https://app.example.com, with commas", Origins::parse);

pub(crate) const MEDIA_URLS: Kind<MediaUrls> =
    Kind::open("fetch, pass or off", |text| MediaUrls::from_name(&text.to_ascii_lowercase()));

pub(crate) const HOSTS: Kind<HostNames> = Kind::open(
    "names or addresses of hosts, or .example.com for all below it, with commas",
    HostNames::parse,
);

pub(crate) const FILE: Kind<PathBuf> =
    Kind::open("the path of a file", |text| Some(PathBuf::from(text)));

pub(crate) const SECRETS: Kind<Vec<SecretString>> =
    Kind::hidden("secrets, with spaces between", |text| {
        Some(text.split_ascii_whitespace().map(SecretString::from).collect())
    });

pub(crate) const FLAG: Kind<bool> =
    Kind::open("true or false", |text| match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    });

pub(crate) const CONNECTIONS: Kind<u32> = Kind::open("a whole number from 4 to 1000", |text| {
    text.parse().ok().filter(|count| (4..=1000).contains(count))
});

pub(crate) const PARTITIONS: Kind<u16> = Kind::open("a whole number from 1 to 64", |text| {
    text.parse().ok().filter(|count| (1..=64).contains(count))
});

pub(crate) const HTTP_URL: Kind<String> =
    Kind::open("an address such as http://localhost:3000, without query or password", |text| {
        let url = Url::parse(text).ok()?;
        let usable = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        usable.then(|| url.as_str().trim_end_matches('/').to_owned())
    });

pub(crate) const HOST: Kind<String> = Kind::open("a host name or an IP address", |text| {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    text.chars().all(allowed).then(|| text.to_owned())
});

pub(crate) const NAME: Kind<String> = Kind::open("a name", |text| Some(text.to_owned()));

pub(crate) const PATH: Kind<PathBuf> =
    Kind::open("the path of a directory", |text| Some(PathBuf::from(text)));

pub(crate) const PORT: Kind<u16> =
    Kind::open("a port number from 0 to 65535", |text| text.parse().ok());

pub(crate) const COUNT: Kind<u32> = Kind::open("a whole number from 1 to 1000000000", |text| {
    text.parse().ok().filter(|count| (1..=1_000_000_000).contains(count))
});

pub(crate) const SIZE: Kind<usize> =
    Kind::open("a size from 1KiB to 1GiB, such as 512KiB, 8MiB or a number of bytes", size);

pub(crate) const DURATION: Kind<Duration> =
    Kind::open("a time from 1ms to 366d, such as 500ms, 60s, 24h or 7d", duration);

pub(crate) const WINDOW: Kind<Duration> =
    Kind::open("0, or a time up to 366d, such as 500ms, 60s or 24h", window);

pub(crate) const SPACING: Kind<Spacing> =
    Kind::open("a time, or two with a dash between, such as 30s-60s; a day at most", spacing);

pub(crate) const RETENTION: Kind<Duration> =
    Kind::open("a time from 7d to 3660d, such as 90d", |text| {
        time(text).filter(|read| (7 * DAY..=3660 * DAY).contains(read))
    });

pub(crate) const TENANT_RETENTION: Kind<Duration> =
    Kind::open("a time from 1d to 3660d, such as 30d", |text| {
        time(text).filter(|read| (DAY..=3660 * DAY).contains(read))
    });

pub(crate) const WORD_LISTS: Kind<Vec<WordList>> = Kind::open(
    "all, none, or some of ar, de, en, es, fr, hi, id, it, nl, pt and tr, with commas",
    |text| match text.trim().to_ascii_lowercase().as_str() {
        "all" => Some(WordList::languages().collect()),
        "none" => Some(Vec::new()),
        names => names.split(',').map(|name| language(name.trim())).collect(),
    },
);

pub(crate) const WORDS: Kind<Vec<String>> = Kind::open(
    "words of letters or digits, with commas, each of 100 characters at the most",
    |text| {
        let words = text.split(',').map(str::trim);
        words.map(|word| is_word(word).then(|| word.to_owned())).collect()
    },
);

pub(crate) const PHONE_VALIDATION: Kind<PhoneValidation> =
    Kind::open("e164, strict or lenient", |text| match text.to_ascii_lowercase().as_str() {
        "e164" => Some(PhoneValidation::E164),
        "strict" => Some(PhoneValidation::Strict),
        "lenient" => Some(PhoneValidation::Lenient),
        _ => None,
    });

/// Reads who may take over sessions that WAHA has already, as what they need to be allowed.
pub(crate) const ADOPTION: Kind<Permission> =
    Kind::open("tenants or platform", |text| match text.to_ascii_lowercase().as_str() {
        "tenants" => Some(Permission::ManageSessions),
        "platform" => Some(Permission::ManageServers),
        _ => None,
    });

pub(crate) const NODE_ROLE: Kind<NodeRole> = Kind::open("api, worker or all", NodeRole::from_name);

pub(crate) const LOG_FORMAT: Kind<LogFormat> =
    Kind::open("pretty or json", |text| match text.to_ascii_lowercase().as_str() {
        "pretty" => Some(LogFormat::Pretty),
        "json" => Some(LogFormat::Json),
        _ => None,
    });

pub(crate) const LOG_FILTER: Kind<String> = Kind::open(
    "error, warn, info, debug, trace or directives such as info,waha_client=debug",
    |text| EnvFilter::builder().parse(text).ok().map(|_| text.to_owned()),
);

/// Reads how far apart things happen: a time, or the least and the most with a dash between; 0 for no
/// matter.
pub(crate) fn spacing(text: &str) -> Option<Spacing> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let (least, most) = (time(least.trim())?, time(most.trim())?);
    (least <= most && most <= DAY).then_some(Spacing { least, most })
}

fn language(name: &str) -> Option<WordList> {
    WordList::from_name(name).filter(|list| *list != WordList::Own)
}

/// Reads a time that something may take.
fn window(text: &str) -> Option<Duration> {
    time(text).filter(|read| *read <= LONGEST)
}

pub(crate) fn duration(text: &str) -> Option<Duration> {
    time(text).filter(|read| (Duration::from_millis(1)..=LONGEST).contains(read))
}

/// Reads a time; a bare number is one of seconds.
fn time(text: &str) -> Option<Duration> {
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    }
}

fn size(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor: usize = match unit.trim() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let bytes = number.parse::<usize>().ok()?.checked_mul(factor)?;
    (1 << 10..=1 << 30).contains(&bytes).then_some(bytes)
}

fn secret_url(text: &str, schemes: &[&str]) -> Option<SecretString> {
    let url = Url::parse(text).ok()?;
    (schemes.contains(&url.scheme()) && url.has_host()).then(|| SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_the_forms_people_write() {
        let secs = Duration::from_secs;
        let cases = [
            ("60s", Some(secs(60))),
            ("24h", Some(secs(86_400))),
            ("7d", Some(secs(604_800))),
            ("1h 30m", Some(secs(5400))),
            ("500ms", Some(Duration::from_millis(500))),
            ("90", Some(secs(90))),
            ("0", None),
            ("-1s", None),
            ("soon", None),
            ("400d", None),
            ("99999999999999999999", None),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_kept_is_kept_for_a_week_at_least() {
        let read = RETENTION.read;
        for (text, days) in [("7d", 7), ("90d", 90), ("730 days", 730), ("7776000", 90)] {
            assert_eq!(read(text), Some(days * DAY), "{text}");
        }
        // A bare number is one of seconds.
        for wrong in ["0", "90", "6d 23h", "3661d", "ninety days", "-90d"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_size_has_a_unit_or_is_one_of_bytes() {
        let cases = [
            ("8MiB", Some(8 << 20)),
            ("512 KiB", Some(512 << 10)),
            ("2048", Some(2048)),
            ("1GiB", Some(1 << 30)),
            ("2GiB", None),
            ("1023", None),
            ("8MB", None),
            ("MiB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(size(text), expected, "{text}");
        }
    }

    #[test]
    fn languages_are_all_none_or_some() {
        let read = WORD_LISTS.read;
        assert_eq!(read("none"), Some(vec![]));
        assert_eq!(read("All").map(|all| all.len()), Some(11));
        assert_eq!(read("en, PT"), Some(vec![WordList::English, WordList::Portuguese]));
        for wrong in ["", "en,", "xx", "own", "all,en", "en pt"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        // All that there are are named.
        assert!(WordList::languages().all(|list| WORD_LISTS.expected.contains(list.as_str())));
    }

    #[test]
    fn words_have_something_to_compare() {
        let read = WORDS.read;
        assert_eq!(read("Genug, mir reicht's"), Some(vec!["Genug".into(), "mir reicht's".into()]));
        for wrong in ["", ",", "genug,,weg", "!!", &"x".repeat(101)] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_address_has_no_slash_at_its_end_and_no_password() {
        let read = HTTP_URL.read;
        assert_eq!(read("http://localhost:3000/").as_deref(), Some("http://localhost:3000"));
        assert_eq!(read("https://waha.example/in/").as_deref(), Some("https://waha.example/in"));
        for wrong in ["localhost:3000", "ftp://host", "http://me:pw@host", "http://host/?a=b", ""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn log_directives_are_checked() {
        let read = LOG_FILTER.read;
        assert!(read("info").is_some());
        assert!(read("warn,messaging_core=debug").is_some());
        assert!(read("info,messaging_core=loud").is_none());
    }
}
