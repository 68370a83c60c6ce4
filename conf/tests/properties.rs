//! Whatever the file holds, the answer is a configuration or errors with places; never a panic.

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use rvs_conf::{Machine, parse, parse_bytes};

    /// The examples and the file with ten mistakes, to start from.
    static FILES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let names = [
            "examples/dr.yaml",
            "examples/nat.yaml",
            "examples/tun.yaml",
            "examples/fullnat.yaml",
            "tests/good/everything.yaml",
            "tests/bad/ten_mistakes.yaml",
        ];
        let read = |name: &&str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            std::fs::read_to_string(path).expect("a readable file")
        };
        names.iter().map(read).collect()
    });

    /// What a token is replaced with.
    const TOKENS: &[&str] = &[
        "",
        "0",
        "1",
        "-1",
        "65536",
        "99999999999999999999",
        "1.5",
        "~",
        "null",
        "yes",
        "[]",
        "{}",
        "[",
        "}",
        ":",
        "- ",
        "\t",
        "\n",
        "\"",
        "'",
        "#",
        "&a ",
        "*a",
        "<<",
        "!!str",
        "|",
        ">",
        "\u{0}",
        "\u{202e}",
        "\u{1f600}",
        "10.0.0.2",
        "255.255.255.255",
        "192.0.2.10:80",
        "10.0.0.0/8",
        "2001:db8::1",
        "[2001:db8::1]:80",
        "10.0.0.1-10.255.255.255",
        "1-3",
        "fullnat",
        "dr",
        "wlc",
        "version",
        "services",
        "real_servers",
        "address",
        "local_addresses",
    ];

    fn machine() -> Machine {
        Machine { cpus: Some(vec![0, 1, 2, 3]) }
    }

    /// Errors must have places inside the text, say what to do, and be printable.
    fn check(text: &str) {
        let Err(errors) = parse("f.yaml", text, &machine()) else { return };
        assert!(!errors.errors().is_empty(), "refused without a reason:\n{text}");
        for error in errors.errors() {
            let (line, column) = error.position().expect("a place");
            assert!(line >= 1 && line <= text.split('\n').count() && column >= 1, "{error:?}");
            assert!(!error.message().is_empty() && !error.help().is_empty(), "{error:?}");
        }
        for color in [false, true] {
            let report = errors.render(color);
            let hidden = |c: char| c.is_control() && c != '\n' && c != '\t' && c != '\u{1b}';
            assert!(!report.contains(hidden), "{report:?}");
            assert!(color || !report.contains('\u{1b}'), "{report:?}");
        }
    }

    /// Splits into words, runs of blanks and single other characters.
    fn tokens(text: &str) -> Vec<&str> {
        let class = |c: char| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' => 0,
            ' ' => 1,
            _ => 2,
        };
        let mut tokens = Vec::new();
        let mut start = 0;
        let mut previous = None;
        for (at, c) in text.char_indices() {
            if previous.is_some_and(|previous| previous != class(c) || class(c) == 2) {
                tokens.push(&text[start..at]);
                start = at;
            }
            previous = Some(class(c));
        }
        tokens.push(&text[start..]);
        tokens
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 2_000,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Err(errors) = parse_bytes("f.yaml", &bytes, &machine()) {
                prop_assert!(!errors.errors().is_empty());
                prop_assert!(errors.errors().iter().all(|error| error.position().is_some()));
                prop_assert!(!errors.to_string().is_empty());
            }
        }

        #[test]
        fn any_text_is_answered(
            text in "([a-z0-9 :.,\\[\\]{}&*!|>'\"#\\-\\n\\t~<é]|\\PC){0,300}",
        ) {
            check(&text);
        }

        #[test]
        fn any_mutation_of_a_real_file_is_answered(
            file in any::<prop::sample::Index>(),
            edits in prop::collection::vec(
                (any::<prop::sample::Index>(), prop::option::of(0..TOKENS.len())),
                1..5,
            ),
        ) {
            let text = &FILES[file.index(FILES.len())];
            let mut tokens = tokens(text);
            for (place, replacement) in edits {
                let place = place.index(tokens.len());
                match replacement {
                    Some(token) => tokens[place] = TOKENS[token],
                    None => drop(tokens.remove(place)),
                }
            }
            check(&tokens.concat());
        }

        #[test]
        fn any_beginning_of_a_real_file_is_answered(
            file in any::<prop::sample::Index>(),
            length in any::<prop::sample::Index>(),
        ) {
            let text = &FILES[file.index(FILES.len())];
            let mut end = length.index(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            check(&text[..end]);
        }
    }

    #[test]
    fn deleting_any_single_token_of_an_example_is_answered() {
        for text in FILES.iter() {
            let tokens = tokens(text);
            for gone in 0..tokens.len() {
                let rest = [&tokens[..gone], &tokens[gone + 1..]].concat();
                check(&rest.concat());
            }
        }
    }
}
