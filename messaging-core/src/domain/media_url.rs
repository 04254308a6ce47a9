//! Where files may be fetched from.
//!
//! A file's address comes from a tenant, and whoever fetches it stands inside the operator's
//! network: what it names must be the public Internet, whatever it is called.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::domain::network::is_public;
use crate::named::named_enum;

named_enum! {
    /// What becomes of files that are named by an address.
    pub enum MediaUrls {
        /// They are fetched here, when they are sent, from addresses that were looked at; the provider
        /// is handed what they hold.
        Fetch = "fetch",
        /// The provider fetches them, from addresses that were looked at a moment before.
        Pass = "pass",
        /// They are refused.
        Off = "off",
    }
}

#[expect(clippy::derivable_impls, reason = "named enums derive what they all have")]
impl Default for MediaUrls {
    fn default() -> Self {
        Self::Fetch
    }
}

/// The longest address that is taken, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// Why a file is not fetched from an address. Repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaUrlError {
    /// It is not an address with a scheme, a host and a path as they are usually written.
    #[error("must be a URL such as https://example.com/picture.png")]
    Malformed,
    /// It is neither http nor https.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// It has a user or a password in it.
    #[error("must have no user or password in it")]
    UserInfo,
    /// Its host is a number in a form that programs read differently.
    #[error("must name its host in the usual form")]
    OddHost,
    /// Its host is not on the public Internet.
    #[error("must lead to a host on the public Internet")]
    NotPublic,
    /// Its host cannot be found.
    #[error("must name a host that can be found")]
    NotFound,
}

/// The host that an address names.
#[derive(Clone, PartialEq, Eq)]
pub enum Host {
    /// By name: letters, digits, dots, hyphens and underscores, in lower case, without a dot at the
    /// end.
    Name(String),
    /// By number.
    Address(IpAddr),
}

/// An address that a file may perhaps be fetched from: what its host is found to be decides.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaUrl {
    /// Whether it is https.
    pub is_tls: bool,
    /// The host.
    pub host: Host,
    /// The port, also where it is not written.
    pub port: u16,
}

impl fmt::Debug for MediaUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MediaUrl(hidden)")
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Host(hidden)")
    }
}

impl MediaUrl {
    /// Reads an address, more strictly than those who fetch: what two programs might read
    /// differently is refused.
    ///
    /// # Errors
    /// [`MediaUrlError`], the first of what is wrong.
    pub fn parse(text: &str) -> Result<Self, MediaUrlError> {
        // Whatever is not printable ASCII is to be percent-encoded, or, in a host, in Punycode: an
        // IDN whose letters become dots or digits is another host to some.
        let printable = text.bytes().all(|byte| (0x21..=0x7E).contains(&byte));
        if text.len() > MAX_URL_BYTES || !printable || text.contains('\\') {
            return Err(MediaUrlError::Malformed);
        }
        let (scheme, rest) = text.split_once(':').ok_or(MediaUrlError::Malformed)?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(MediaUrlError::Scheme),
        };
        let rest = rest.strip_prefix("//").ok_or(MediaUrlError::Malformed)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(MediaUrlError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        let port = match port {
            None => {
                if is_tls {
                    443
                } else {
                    80
                }
            }
            Some(port) => {
                let digits =
                    (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
                let port = digits.then(|| port.parse::<u16>().ok()).flatten();
                port.filter(|port| *port != 0).ok_or(MediaUrlError::Malformed)?
            }
        };
        Ok(Self { is_tls, host: host_of(host)?, port })
    }

    /// Whether a file may be fetched from here, once it is known what the host stands for: it must
    /// be found, and all that it stands for must be public. `exceptions` are names or addresses of
    /// hosts that an operator lets through.
    ///
    /// # Errors
    /// [`MediaUrlError::NotFound`], [`MediaUrlError::NotPublic`].
    pub fn check(&self, addresses: &[IpAddr], exceptions: &HostNames) -> Result<(), MediaUrlError> {
        if exceptions.contain(&self.host) {
            return if addresses.is_empty() { Err(MediaUrlError::NotFound) } else { Ok(()) };
        }
        if let Host::Address(address) = &self.host
            && !is_public(*address)
        {
            return Err(MediaUrlError::NotPublic);
        }
        if addresses.is_empty() {
            return Err(MediaUrlError::NotFound);
        }
        let public = addresses.iter().all(|address| is_public(*address));
        if public { Ok(()) } else { Err(MediaUrlError::NotPublic) }
    }

    /// What is wrong with it as far as it can be told without looking anything up.
    pub fn refused_at_sight(&self, exceptions: &HostNames) -> Option<MediaUrlError> {
        if exceptions.contain(&self.host) {
            return None;
        }
        let refused = match &self.host {
            Host::Address(address) => !is_public(*address),
            Host::Name(name) => is_local_name(name),
        };
        refused.then_some(MediaUrlError::NotPublic)
    }
}

/// Names that stand for something inside, in every network (RFC 6761, 6762, 8375).
fn is_local_name(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    !name.contains('.')
        || matches!(
            last,
            "localhost" | "local" | "internal" | "lan" | "home" | "corp" | "localdomain"
        )
        || name.ends_with(".home.arpa")
        || name.ends_with(".in-addr.arpa")
        || name.ends_with(".ip6.arpa")
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), MediaUrlError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, behind) = rest.split_once(']').ok_or(MediaUrlError::Malformed)?;
        let port = match behind.strip_prefix(':') {
            Some(port) => Some(port),
            None if behind.is_empty() => None,
            None => return Err(MediaUrlError::Malformed),
        };
        // With its brackets, so that it is told from a name.
        return Ok((&authority[..host.len() + 2], port));
    }
    Ok(match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    })
}

fn host_of(text: &str) -> Result<Host, MediaUrlError> {
    if let Some(v6) = text.strip_prefix('[') {
        let v6 = v6.strip_suffix(']').unwrap_or(v6);
        let address: Ipv6Addr = v6.parse().map_err(|_| MediaUrlError::Malformed)?;
        return Ok(Host::Address(IpAddr::V6(address).to_canonical()));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.is_empty() || name.len() > 253 || !name.split('.').all(label) {
        return Err(MediaUrlError::Malformed);
    }
    // Decimal, octal, hexadecimal and shortened addresses: some read them, each in its own way. No
    // top-level domain begins with a digit.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(MediaUrlError::OddHost);
    }
    Ok(Host::Name(name))
}

/// Hosts that an operator lets through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostNames(Vec<String>);

impl HostNames {
    /// Reads names with commas between: a host's name or address, or `.example.com` for all below
    /// that. `None` where one is none.
    pub fn parse(text: &str) -> Option<Self> {
        let one = |text: &str| {
            let text = text.trim();
            let below = text.strip_prefix('.');
            let host = below.unwrap_or(text);
            let v6: Option<Ipv6Addr> = host.parse().ok();
            let host = match v6 {
                Some(v6) => Host::Address(IpAddr::V6(v6).to_canonical()),
                None => host_of(host).ok()?,
            };
            match (host, below) {
                (Host::Name(name), Some(_)) => Some(format!(".{name}")),
                (Host::Name(name), None) => Some(name),
                (Host::Address(address), None) => Some(address.to_string()),
                (Host::Address(_), Some(_)) => None,
            }
        };
        text.split(',').map(one).collect::<Option<Vec<_>>>().map(Self)
    }

    fn contain(&self, host: &Host) -> bool {
        self.0.iter().any(|each| match host {
            Host::Address(address) => *each == address.to_string(),
            Host::Name(name) if each.starts_with('.') => name.ends_with(each.as_str()),
            Host::Name(name) => each == name,
        })
    }
}

/// Whether a file's name is one: no path, nothing hidden, and not one of those that mean a directory.
pub fn is_filename(name: &str) -> bool {
    let inner = name.trim_matches(|c: char| c == '.' || c.is_whitespace());
    !inner.is_empty() && name.chars().count() <= 255 && !name.contains(['/', '\\', ':', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> HostNames {
        HostNames::default()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[track_caller]
    fn refused(url: &str, expected: MediaUrlError) {
        let found = MediaUrl::parse(url).and_then(|url| {
            url.refused_at_sight(&none()).map_or(Ok(()), Err)?;
            url.check(&[], &none())
        });
        assert_eq!(found, Err(expected), "{url}");
    }

    #[test]
    fn usual_addresses_are_read() {
        let url = MediaUrl::parse("https://Example.COM./a/b.png?x=1#y").unwrap();
        assert!(url.is_tls && url.port == 443 && url.host == Host::Name("example.com".into()));
        let url = MediaUrl::parse("http://xn--bcher-kva.example:8080").unwrap();
        assert!(!url.is_tls && url.port == 8080);
        assert_eq!(url.check(&[ip("93.184.215.14")], &none()), Ok(()));
        assert_eq!(url.refused_at_sight(&none()), None);
        let url = MediaUrl::parse("https://[2606:4700:4700::1111]:8443/x").unwrap();
        assert_eq!(url.check(&[ip("2606:4700:4700::1111")], &none()), Ok(()));
    }

    #[test]
    fn other_schemes_users_and_broken_addresses_are_refused() {
        use MediaUrlError as E;
        for url in [
            "file:///etc/passwd",
            "ftp://example.com/a",
            "gopher://x.example",
            "data:text/plain,hi",
        ] {
            refused(url, E::Scheme);
        }
        for url in [
            "https://user@example.com/",
            "https://a:b@example.com",
            "http://8.8.8.8@127.0.0.1/",
            "http://@example.com",
        ] {
            refused(url, E::UserInfo);
        }
        for url in [
            "",
            "example.com/a",
            "https:/example.com",
            "https:example.com",
            "https://",
            "https:///a",
            "https://example.com\\@127.0.0.1/",
            "https://exa mple.com",
            "https://example.com/\r\nHost:x",
            "https://exämple.com",
            "https://127。0。0。1/",
            "https://①②⑦.0.0.1/",
            "https://example.com:0/",
            "https://example.com:65536/",
            "https://example.com:/",
            "https://example.com:+80/",
            "https://[::1",
            "https://[::1]x/",
            "https://[fe80::1%25eth0]/",
            "https://a..b.example",
            "https://-a.example",
            "https://%31%32%37.0.0.1/",
        ] {
            refused(url, E::Malformed);
        }
        refused(&format!("https://example.com/{}", "a".repeat(MAX_URL_BYTES)), E::Malformed);
    }

    #[test]
    fn odd_spellings_of_addresses_are_refused() {
        for url in [
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0/",
            "http://127.0.0.1.5/",
            "http://0x7f.1/",
            "http://1.2.3.04/",
            "http://127.0.0.0x1/",
            "http://1.2.3.256/",
        ] {
            refused(url, MediaUrlError::OddHost);
        }
    }

    #[test]
    fn what_is_inside_is_refused_at_sight() {
        for url in [
            "http://127.0.0.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]/",
            "http://127.0.0.1./",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://localhost/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://metadata.google.internal/",
            "http://minio:9000/",
            "http://printer.local/",
            "http://0.0.0.0/",
        ] {
            let found = MediaUrl::parse(url).map(|url| url.refused_at_sight(&none()));
            // A dot behind an address is an odd spelling already.
            assert!(
                matches!(found, Ok(Some(MediaUrlError::NotPublic)) | Err(MediaUrlError::OddHost)),
                "{url}: {found:?}"
            );
        }
    }

    #[test]
    fn one_address_inside_is_enough_to_refuse() {
        let url = MediaUrl::parse("https://example.com/").unwrap();
        let (public, private) = (ip("93.184.215.14"), ip("10.0.0.7"));
        assert_eq!(url.check(&[public], &none()), Ok(()));
        assert_eq!(url.check(&[public, private], &none()), Err(MediaUrlError::NotPublic));
        assert_eq!(url.check(&[ip("::ffff:10.0.0.7")], &none()), Err(MediaUrlError::NotPublic));
        assert_eq!(url.check(&[], &none()), Err(MediaUrlError::NotFound));
    }

    #[test]
    fn an_operator_lets_hosts_through_by_name_or_address() {
        let allowed =
            HostNames::parse("minio, .files.internal,10.0.0.7, ::1, CDN.example").unwrap();
        let check = |url: &str| {
            let url = MediaUrl::parse(url).unwrap();
            url.refused_at_sight(&allowed).is_none()
                && url.check(&[ip("10.0.0.9")], &allowed).is_ok()
        };
        for through in [
            "http://minio:9000/a",
            "https://a.files.internal/",
            "http://10.0.0.7/",
            "http://[::1]/",
            "https://cdn.example./",
        ] {
            assert!(check(through), "{through}");
        }
        for not in [
            "http://files.internal/",
            "http://minio.evil.example/",
            "http://10.0.0.8/",
            "https://evilfiles.internal/",
            "https://a.cdn.example/",
        ] {
            assert!(!check(not), "{not}");
        }
        for wrong in ["", "a,", "http://minio", "*.example.com", ".10.0.0.1", "a b"] {
            assert_eq!(HostNames::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_filename_is_no_path() {
        for name in ["a.pdf", "Rechnung Nr. 5.pdf", ".hidden", "résumé.doc", "a..b", "日本.txt"]
        {
            assert!(is_filename(name), "{name}");
        }
        for name in
            ["", " ", ".", "..", "...", "../a", "a/b", "a\\b", "C:a", "a\0", &"x".repeat(256)]
        {
            assert!(!is_filename(name), "{name}");
        }
    }
}
