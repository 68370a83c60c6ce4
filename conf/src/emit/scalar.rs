//! Texts with quotes where YAML, or one of its older readers, needs them.

/// Words that some reader of YAML takes for something else than text.
const WORDS: &[&str] = &["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// `text` as a key or value anywhere in a file.
pub(crate) fn quoted(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { in_quotes(text) }
}

/// Whether it means itself without quotes. Colons in pairs make numbers with base 60.
fn is_plain(text: &str) -> bool {
    let is_usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':');
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_'))
        && text.chars().all(is_usual)
        && !text.ends_with(':')
        && text.matches(':').count() < 2
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}

/// In double quotes, with escapes for what cannot be seen.
fn in_quotes(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) => out.push_str(&format!("\\U{:08x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether a character is one that cannot be seen, or changes how others are.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}')
        || u32::from(c) > 0xffff
}
