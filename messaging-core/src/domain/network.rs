//! Networks of IP addresses, and which addresses are nobody's but the public Internet's.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// One network, such as `10.0.0.0/8` or `2001:db8::/32`; a bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    /// The first address, in its canonical form.
    first: IpAddr,
    /// How many leading bits an address must share with it.
    bits: u8,
}

/// What is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not an IP address or network such as 10.0.0.0/8 or 2001:db8::/32")]
pub struct InvalidNetwork;

impl FromStr for Network {
    type Err = InvalidNetwork;

    /// Reads the address strictly (no leading zeros, no octal), and refuses bits set behind the
    /// length: whoever writes `10.1.2.3/8` means something else than what it would mean.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let width = width(address);
        let bits = match length {
            Some(length) => {
                let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
                let bits: Option<u8> = length.parse().ok();
                bits.filter(|bits| digits && *bits <= width).ok_or(InvalidNetwork)?
            }
            None => width,
        };
        let network = match address.to_canonical() {
            // A network of mapped addresses is one of version 4.
            IpAddr::V4(mapped) if address.is_ipv6() => {
                let bits = bits.checked_sub(96).ok_or(InvalidNetwork)?;
                Self { first: mapped.into(), bits }
            }
            _ => Self { first: address, bits },
        };
        let is_first = leading(network.first, network.bits) == value(network.first);
        is_first.then_some(network).ok_or(InvalidNetwork)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

impl Network {
    /// Whether an address lies in it. An address of version 4 that is written as one of version 6
    /// is the same address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4()
            && leading(address, self.bits) == value(self.first)
    }
}

/// Several networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// Whether an address lies in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Networks {
    type Err = InvalidNetwork;

    /// Reads networks with commas, or spaces, between them; at least one.
    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let parts = text.split(|c: char| c == ',' || c.is_ascii_whitespace());
        let parts = parts.filter(|part| !part.is_empty());
        let networks = parts.map(str::parse).collect::<Result<Vec<_>, _>>()?;
        if networks.is_empty() { Err(InvalidNetwork) } else { Ok(Self(networks)) }
    }
}

impl FromIterator<Network> for Networks {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address as a number, with version 4 in the leading bits.
fn value(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn leading(address: IpAddr, bits: u8) -> u128 {
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    value(address) & mask
}

/// Special-purpose networks of version 4 (IANA's registry), which nothing on the public Internet
/// has.
const SPECIAL_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // shared by carriers (CGNAT)
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // a cloud's own agent
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, with clouds' metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24),  // AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24),  // AMT
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays, deprecated
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(192, 175, 48, 0), 24),  // AS112
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 3),      // multicast, reserved, broadcast
];

/// Whether an address is one of the public Internet: not private, loopback, link-local, shared,
/// multicast, reserved, a cloud's metadata, nor one that carries such an address of version 4
/// within.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|(first, bits)| {
        let network = Network { first: (*first).into(), bits: *bits };
        network.contains(address.into())
    })
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let low = || Ipv4Addr::from_bits(u32::from(parts[6]) << 16 | u32::from(parts[7]));
    // NAT64's well-known prefix: a gateway would call the address within. Its local one (RFC 8215)
    // may lay the address anywhere, and is refused with all else that is not global.
    if parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return is_public_v4(low());
    }
    // All that is global unicast lies in 2000::/3.
    if parts[0] & 0xe000 != 0x2000 {
        return false;
    }
    match parts {
        // 2001::/23: protocol assignments, with Teredo (an address of version 4, scrambled), ORCHID
        // and benchmarks.
        [0x2001, second, ..] if second < 0x0200 => false,
        // Documentation.
        [0x2001, 0x0db8, ..] => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // 6to4: a relay would call the address within.
        [0x2002, high, low, ..] => {
            is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        // ISATAP has the address of version 4 behind 0:5efe or 200:5efe.
        [_, _, _, _, 0 | 0x0200, 0x5efe, ..] => is_public_v4(low()),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(network: &str, inside: &[&str], outside: &[&str]) {
        let network: Network = network.parse().unwrap();
        for address in inside {
            assert!(network.contains(ip(address)), "{address} lies in {network}");
        }
        for address in outside {
            assert!(!network.contains(ip(address)), "{address} lies outside {network}");
        }
    }

    #[test]
    fn a_network_holds_what_shares_its_leading_bits() {
        check("10.0.0.0/8", &["10.0.0.0", "10.255.255.255"], &["9.255.255.255", "11.0.0.0"]);
        check("10.1.2.3", &["10.1.2.3"], &["10.1.2.2", "10.1.2.4"]);
        check("0.0.0.0/0", &["255.255.255.255", "::ffff:1.2.3.4"], &["::1", "2001:db8::1"]);
        check("2001:db8::/33", &["2001:db8:7fff::1"], &["2001:db8:8000::1", "32.1.13.184"]);
        check("::/0", &["::1", "2001:db8::1"], &["1.2.3.4"]);
        check("::1", &["::1"], &["::2"]);
    }

    #[test]
    fn an_address_of_version_4_is_the_same_in_the_form_of_version_6() {
        check("192.0.2.0/24", &["::ffff:192.0.2.7"], &["::ffff:192.0.3.7", "::192.0.2.7"]);
        check("::ffff:192.0.2.0/120", &["192.0.2.7"], &["192.0.3.7"]);
        assert_eq!("::ffff:192.0.2.0/120".parse(), "192.0.2.0/24".parse::<Network>());
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for wrong in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "10.0.0/8",
            "10.1.2.3/8",
            "010.0.0.0/8",
            "0x0a000000",
            "10",
            "host",
            "2001:db8::1/32",
            "10.0.0.0/ 8",
            "[::1]",
            "fe80::1%eth0",
            "::ffff:0:0/90",
            "10.0.0.0/256",
        ] {
            assert_eq!(wrong.parse::<Network>(), Err(InvalidNetwork), "{wrong}");
        }
    }

    #[test]
    fn several_networks_stand_with_commas_or_spaces_between() {
        let networks: Networks = "10.0.0.0/8, 2001:db8::/32\t192.0.2.1".parse().unwrap();
        for inside in ["10.1.1.1", "2001:db8::9", "192.0.2.1"] {
            assert!(networks.contain(ip(inside)));
        }
        assert!(!networks.contain(ip("192.0.2.2")));
        for wrong in ["", " , ", "10.0.0.0/8,host"] {
            assert_eq!(wrong.parse::<Networks>(), Err(InvalidNetwork));
        }
    }

    #[test]
    fn what_is_not_of_the_public_internet_is_known() {
        for private in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "168.63.129.16",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.192",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "3fff::1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1.1.1.1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2002:c0a8:101::1",
            "2606:4700::5efe:10.0.0.1",
            "2606:4700::200:5efe:127.0.0.1",
            "5f00::1",
            "4000::1",
        ] {
            assert!(!is_public(ip(private)), "{private} is not public");
        }
    }

    #[test]
    fn what_is_of_the_public_internet_is_known() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "64:ff9b::808:808",
            "2002:808:808::1",
            "2a00:1450:4001:81b::200e",
        ] {
            assert!(is_public(ip(public)), "{public} is public");
        }
    }
}
