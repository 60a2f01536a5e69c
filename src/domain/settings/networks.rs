//! Addresses and networks as the settings list them: `10.0.0.0/8`, `::1`.

use std::net::IpAddr;

/// Whether `text` is an address, or a network in CIDR notation.
pub fn is_network(text: &str) -> bool {
    parse(text).is_some()
}

/// Whether one of `listed` is or holds `address`. What is no network holds nothing.
pub fn hold(listed: &[String], address: IpAddr) -> bool {
    let address = address.to_canonical();
    listed.iter().filter_map(|text| parse(text)).any(|(network, bits)| {
        let (network, address, width) = match (network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits(), address.to_bits(), 128)
            }
            _ => return false,
        };
        // Shifting by the whole width is what `/0` asks for, and what `>>` would refuse.
        let differ = (network ^ address).checked_shr(width - bits).unwrap_or(0);
        differ == 0
    })
}

/// The address and how many of its leading bits count.
fn parse(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match text.split_once('/') {
        None => (text, None),
        Some((address, bits)) => (address, Some(bits)),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => width,
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= width)?,
    };
    Some((address, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        let check = |listed: &str, address: &str, expected: bool| {
            let listed = [listed.to_owned()];
            assert_eq!(hold(&listed, address.parse().unwrap()), expected, "{listed:?} {address}");
        };
        check("10.0.0.0/8", "10.200.3.4", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("10.0.0.1", "10.0.0.1", true);
        check("10.0.0.1", "10.0.0.2", false);
        check("10.0.0.1", "::ffff:10.0.0.1", true);
        check("0.0.0.0/0", "192.0.2.1", true);
        check("0.0.0.0/0", "::1", false);
        check("2001:db8::/32", "2001:db8:1::1", true);
        check("::/0", "2001:db8:1::1", true);
        check("10.0.0.0/33", "10.0.0.1", false);
    }
}
