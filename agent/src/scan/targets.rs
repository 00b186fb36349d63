//! What a person writes for the addresses of a scan, and the addresses that it means.

use std::net::Ipv4Addr;

use crate::config::with_port;

/// The most addresses of one scan: a /22. More than that is no site.
pub const MOST_ADDRESSES: u32 = 1024;

/// A text that means no addresses, or too many.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    /// It cannot be read.
    #[error(
        "{0:?} is not an address such as 192.0.2.10, 192.0.2.0/24, 192.0.2.10-40 or edfa.local:502"
    )]
    Unreadable(String),
    /// It means more than a site has.
    #[error("{0:?} means {1} addresses, at most {MOST_ADDRESSES} are scanned at once")]
    TooMany(String, u64),
}

/// The addresses (`host:port`) that `text` means: one host, a prefix, or a span of the last number.
/// `port` is for those that name none. Network and broadcast addresses of a prefix are left out.
///
/// # Errors
///
/// What is wrong with it.
pub fn addresses(text: &str, port: u16) -> Result<Vec<String>, BadRange> {
    let bad = || BadRange::Unreadable(text.chars().take(80).collect());
    let Some((from, to, port)) = span(text, port).ok_or_else(bad)? else {
        let one = with_port(text, port).map_err(|_| bad())?;
        return Ok(vec![one]);
    };
    let count = u64::from(to) + 1 - u64::from(from);
    if count > u64::from(MOST_ADDRESSES) {
        return Err(BadRange::TooMany(text.to_owned(), count));
    }
    Ok((from..=to)
        .map(|bits| format!("{}:{port}", Ipv4Addr::from_bits(bits)))
        .collect())
}

/// First and last address and the port; `Some(None)` for what is one host, `None` for a mistake.
fn span(text: &str, port: u16) -> Option<Option<(u32, u32, u16)>> {
    if let Some((base, rest)) = text.split_once('/') {
        let (length, port) = with_own_port(rest, port)?;
        let base: Ipv4Addr = base.parse().ok()?;
        let length: u32 = length.parse().ok().filter(|length| *length <= 32)?;
        let hosts = u32::MAX.checked_shr(length).unwrap_or(0);
        let (first, last) = (base.to_bits() & !hosts, base.to_bits() | hosts);
        let ends = u32::from(length < 31);
        return Some(Some((first + ends, last - ends, port)));
    }
    let Some((from, rest)) = text.split_once('-') else {
        return Some(None);
    };
    // A name may have hyphens too.
    let Ok(from) = from.parse::<Ipv4Addr>() else {
        return Some(None);
    };
    let (to, port) = with_own_port(rest, port)?;
    let to = match to.parse::<Ipv4Addr>() {
        Ok(to) => to.to_bits(),
        Err(_) => (from.to_bits() & !0xFF) | u32::from(to.parse::<u8>().ok()?),
    };
    (from.to_bits() <= to).then_some(Some((from.to_bits(), to, port)))
}

fn with_own_port(text: &str, port: u16) -> Option<(&str, u16)> {
    match text.split_once(':') {
        None => Some((text, port)),
        Some((text, own)) => Some((text, own.parse().ok().filter(|own| *own > 0)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_gives_its_addresses() {
        let ends = |text: &str| {
            let all = addresses(text, 502).unwrap();
            (all.len(), all[0].clone(), all[all.len() - 1].clone())
        };
        let wanted =
            |count: usize, first: &str, last: &str| (count, first.to_owned(), last.to_owned());
        assert_eq!(
            ends("192.0.2.0/24"),
            wanted(254, "192.0.2.1:502", "192.0.2.254:502")
        );
        assert_eq!(
            ends("192.0.2.77/30:1502"),
            wanted(2, "192.0.2.77:1502", "192.0.2.78:1502")
        );
        assert_eq!(
            ends("192.0.2.7/32"),
            wanted(1, "192.0.2.7:502", "192.0.2.7:502")
        );
        assert_eq!(
            ends("192.0.2.6/31"),
            wanted(2, "192.0.2.6:502", "192.0.2.7:502")
        );
        assert_eq!(
            ends("192.0.2.10-12"),
            wanted(3, "192.0.2.10:502", "192.0.2.12:502")
        );
        assert_eq!(
            ends("192.0.2.250-192.0.3.5:161"),
            wanted(12, "192.0.2.250:161", "192.0.3.5:161")
        );
        assert_eq!(
            ends("hut-7.local"),
            wanted(1, "hut-7.local:502", "hut-7.local:502")
        );
        assert_eq!(ends("[::1]:1502"), wanted(1, "[::1]:1502", "[::1]:1502"));
    }

    #[test]
    fn what_means_nothing_or_a_country_is_refused() {
        for bad in [
            "",
            "a b",
            "192.0.2.0/33",
            "192.0.2.9-3",
            "192.0.2.1-300",
            "192.0.2.0/24:0",
            "x/24",
        ] {
            assert!(
                matches!(addresses(bad, 502), Err(BadRange::Unreadable(_))),
                "{bad}"
            );
        }
        let many = addresses("10.0.0.0/8", 502).unwrap_err();
        assert!(many.to_string().contains("16777214"), "{many}");
        assert_eq!(addresses("10.0.0.0/22", 502).unwrap().len(), 1022);
        assert!(addresses("0.0.0.0/0", 502).is_err());
    }
}
