//! What a file's name tells: the port.

/// The port that `name` tells, where it has the form of `pattern` and, where the pattern holds
/// `{device}`, that device's id. Capitals are the same as small letters.
#[must_use]
pub fn port_of(pattern: &str, device: &str, name: &str) -> Option<u16> {
    let pattern = pattern.replace("{device}", device).to_ascii_lowercase();
    let (before, after) = pattern.split_once("{port}")?;
    let name = name.to_ascii_lowercase();
    // With a star before it the port may begin anywhere; the leftmost that fits is taken.
    (0..=name.len())
        .filter_map(|at| name.split_at_checked(at))
        .find_map(|(head, rest)| {
            if !fits(before, head) {
                return None;
            }
            let digits = rest.len() - rest.trim_start_matches(|l: char| l.is_ascii_digit()).len();
            let (number, tail) = rest.split_at_checked(digits)?;
            number.parse().ok().filter(|_| fits(after, tail))
        })
}

/// Whether `text` has the form of `pattern`, in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or("");
    for part in parts {
        let Some(at) = text.find(part) else {
            return false;
        };
        text = text.get(at + part.len()..).unwrap_or("");
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATTERN: &str = "{device}-p{port}-*.sor";

    #[test]
    fn the_default_form_tells_the_port() {
        assert_eq!(
            port_of(PATTERN, "otdr-1", "otdr-1-p3-20260102T030405Z.sor"),
            Some(3)
        );
        assert_eq!(port_of(PATTERN, "otdr-1", "OTDR-1-P12-x.SOR"), Some(12));
        for other in [
            "otdr-2-p3-x.sor",
            "otdr-1-p3.sor",
            "otdr-1-px-1.sor",
            "otdr-1-p3-x.txt",
            "",
        ] {
            assert_eq!(port_of(PATTERN, "otdr-1", other), None, "{other}");
        }
    }

    #[test]
    fn other_makers_forms_do_too() {
        assert_eq!(
            port_of("*_PORT{port}_*", "x", "2026_port07_1550nm.sor"),
            Some(7)
        );
        assert_eq!(port_of("*-{port}.sor", "x", "a-b-c-9.sor"), Some(9));
        assert_eq!(port_of("*-{port}.sor", "x", "a-99999.sor"), None);
        assert_eq!(port_of("fibre{port}*", "x", "fibre"), None);
    }

    #[test]
    fn letters_of_every_script_are_no_trouble() {
        assert_eq!(port_of("*p{port}*", "x", "Бакуp4ß.sor"), Some(4));
    }
}
