//! Who calls: the socket's peer or, where that is a proxy of ours, whom the proxy names.

use std::net::{IpAddr, SocketAddr};

use messaging_core::domain::network::Networks;
use poem::Request;
use poem::http::header::{FORWARDED, HeaderMap, HeaderName};

/// Where a request comes from, as far as that is known; among every request's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

impl ClientAddress {
    /// Who makes the request. Unknown outside a server.
    pub fn of(request: &Request) -> Self {
        request.data::<Self>().copied().unwrap_or(Self(None))
    }

    /// A number that stands for it, for counting: the address, or of one of version 6 the network,
    /// whose hosts are one owner's. All that is unknown is one.
    pub fn number(self) -> u64 {
        match self.0.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => 0xffff_0000_0000 | u64::from(address.to_bits()),
            Some(IpAddr::V6(address)) => (address.to_bits() >> 64) as u64,
            None => 0,
        }
    }
}

/// In which header proxies say for whom they ask. One only: what of two a proxy does not set, it
/// passes on as the client wrote it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Which proxies are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Where they stand. Empty: none is believed.
    pub trusted: Networks,
    /// How they say for whom they ask.
    pub header: ProxyHeader,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How many entries are looked at, from the right: more proxies stand in no row.
const MAX_HOPS: usize = 32;

impl Proxies {
    /// Who calls. Each proxy writes the address of whom it was asked by behind what it was told, so
    /// entries are believed from the right, as long as those who wrote them are; what stands left of
    /// the first stranger is what the stranger says.
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> ClientAddress {
        let peer = peer.map(|address| address.to_canonical());
        let Some(mut client) = peer.filter(|peer| self.trusted.contain(*peer)) else {
            return ClientAddress(peer);
        };
        let name = match self.header {
            ProxyHeader::XForwardedFor => X_FORWARDED_FOR,
            ProxyHeader::Forwarded => FORWARDED,
        };
        // A header that is repeated is one list, in order.
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        let entries = lines
            .iter()
            .rev()
            .flat_map(|line| split_unquoted(line.as_bytes(), b',').into_iter().rev());
        for (hop, entry) in entries.enumerate() {
            let named = match self.header {
                ProxyHeader::XForwardedFor => address(entry),
                ProxyHeader::Forwarded => forwarded_for(entry),
            };
            // A proxy that says what nobody can read, or `unknown`, does not know. Nor do we: to
            // take the proxy itself for the client would lend a client the proxy's standing.
            let Some(named) = named.filter(|_| hop < MAX_HOPS) else { return ClientAddress(None) };
            client = named;
            if !self.trusted.contain(client) {
                break;
            }
        }
        ClientAddress(Some(client))
    }
}

/// The address in an entry of X-Forwarded-For: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`,
/// `[2001:db8::1]` or `[2001:db8::1]:4711`.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let text = text.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(text);
    let address = match text.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => match text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            Some(bracketed) => IpAddr::V6(bracketed.parse().ok()?),
            None => text.parse::<SocketAddr>().ok()?.ip(),
        },
    };
    Some(address.to_canonical())
}

/// The address behind `for=` in an element of Forwarded. One that says nothing of it, or says it
/// twice, tells nothing.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in split_unquoted(element, b';') {
        let pair = pair.trim_ascii();
        let Some((name, value)) = pair.split_at_checked(4) else { continue };
        if name.eq_ignore_ascii_case(b"for=") {
            let read = address(value)?;
            if found.replace(read).is_some() {
                return None;
            }
        }
    }
    found
}

/// The parts of a header's value, but not within quotes. With a quote that is not closed, the rest
/// is one part.
fn split_unquoted(value: &[u8], separator: u8) -> Vec<&[u8]> {
    let (mut parts, mut from) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if *byte == separator && !quoted => {
                parts.push(&value[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&value[from..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::http::HeaderValue;

    #[track_caller]
    fn check(header: ProxyHeader, peer: &str, lines: &[&str], expected: Option<&str>) {
        let proxies = Proxies { trusted: "10.0.0.0/8 fd00::/8".parse().unwrap(), header };
        let name = match header {
            ProxyHeader::XForwardedFor => X_FORWARDED_FOR,
            ProxyHeader::Forwarded => FORWARDED,
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        // What the other header says is nobody's word.
        let other = if name == FORWARDED { X_FORWARDED_FOR } else { FORWARDED };
        headers.append(other, HeaderValue::from_static("for=203.0.113.66"));
        let found = proxies.client(Some(peer.parse().unwrap()), &headers);
        assert_eq!(found, ClientAddress(expected.map(|it| it.parse().unwrap())), "{lines:?}");
    }

    fn xff(peer: &str, lines: &[&str], expected: Option<&str>) {
        check(ProxyHeader::XForwardedFor, peer, lines, expected);
    }

    fn rfc7239(lines: &[&str], expected: Option<&str>) {
        check(ProxyHeader::Forwarded, "10.0.0.1", lines, expected);
    }

    #[test]
    fn who_is_no_proxy_speaks_for_nobody() {
        xff("192.0.2.1", &["203.0.113.7"], Some("192.0.2.1"));
        xff("::ffff:192.0.2.1", &["203.0.113.7"], Some("192.0.2.1"));
        let none = Proxies::default();
        let mut headers = HeaderMap::new();
        headers.append(X_FORWARDED_FOR, HeaderValue::from_static("203.0.113.7"));
        let found = none.client("10.0.0.1".parse().ok(), &headers);
        assert_eq!(found, ClientAddress("10.0.0.1".parse().ok()));
    }

    #[test]
    fn the_first_stranger_from_the_right_is_the_client() {
        xff("10.0.0.1", &["203.0.113.7"], Some("203.0.113.7"));
        xff("::ffff:10.0.0.1", &["203.0.113.7"], Some("203.0.113.7"));
        xff("fd00::1", &["2001:db8::9, 10.0.0.3, fd00::2"], Some("2001:db8::9"));
        // What a client wrote itself stands left of what the first proxy wrote.
        xff("10.0.0.1", &["127.0.0.1, 10.0.0.9, 203.0.113.7, 10.0.0.3"], Some("203.0.113.7"));
        xff("10.0.0.1", &["127.0.0.1, 203.0.113.7"], Some("203.0.113.7"));
    }

    #[test]
    fn repeated_headers_are_one_list() {
        xff("10.0.0.1", &["127.0.0.1", "203.0.113.7, 10.0.0.2", "10.0.0.3"], Some("203.0.113.7"));
    }

    #[test]
    fn where_all_are_proxies_the_first_asked() {
        xff("10.0.0.1", &["10.0.0.2, 10.0.0.3"], Some("10.0.0.2"));
        xff("10.0.0.1", &[], Some("10.0.0.1"));
    }

    #[test]
    fn ports_brackets_and_spaces_are_read() {
        for (entry, expected) in [
            ("203.0.113.7:4711", "203.0.113.7"),
            ("  203.0.113.7\t", "203.0.113.7"),
            ("[2001:db8::9]:4711", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("2001:db8::9", "2001:db8::9"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("\"203.0.113.7\"", "203.0.113.7"),
        ] {
            xff("10.0.0.1", &[entry], Some(expected));
        }
    }

    #[test]
    fn junk_from_a_proxy_is_nobody_and_not_the_proxy() {
        for junk in [
            "",
            "unknown",
            "_hidden",
            "203.0.113.7,",
            "10.0.0",
            "1.2.3.4.5",
            "\u{e9}",
            "0x7f000001",
            "a".repeat(9000).as_str(),
        ] {
            xff("10.0.0.1", &[junk], None);
        }
        // Junk of the client's own is not looked at.
        xff("10.0.0.1", &["unknown, ;;,,\"\", 203.0.113.7"], Some("203.0.113.7"));
        xff("10.0.0.1", &[&vec!["10.0.0.2"; 1000].join(",")], None);
    }

    #[test]
    fn the_standard_header_is_read() {
        rfc7239(&["for=203.0.113.7;proto=https;by=10.0.0.1"], Some("203.0.113.7"));
        rfc7239(&["For=\"[2001:db8::9]:4711\""], Some("2001:db8::9"));
        rfc7239(&["for=127.0.0.1, for=203.0.113.7, for=10.0.0.2"], Some("203.0.113.7"));
        rfc7239(&["for=\"127.0.0.1, for=9.9.9.9\", for=203.0.113.7"], Some("203.0.113.7"));
        rfc7239(&["for=127.0.0.1", "proto=https;for=203.0.113.7"], Some("203.0.113.7"));
        for junk in [
            "for=unknown",
            "for=_hidden",
            "proto=https",
            "for=203.0.113.7;for=127.0.0.1",
            "for",
            ";",
            "for=\"203.0.113.7",
        ] {
            rfc7239(&[junk], None);
        }
    }

    #[test]
    fn hosts_of_one_network_are_counted_as_one() {
        let number = |text: &str| ClientAddress(text.parse().ok()).number();
        assert_eq!(number("2001:db8::1"), number("2001:db8::ffff:1"));
        assert_ne!(number("2001:db8::1"), number("2001:db8:0:1::1"));
        assert_ne!(number("192.0.2.1"), number("192.0.2.2"));
        assert_eq!(number("192.0.2.1"), number("::ffff:192.0.2.1"));
        assert_ne!(number("192.0.2.1"), ClientAddress(None).number());
    }
}
