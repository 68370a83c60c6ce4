//! Words for help texts: the known word nearest to a misspelt one, and lists of words.

/// The word of `known` nearest to `word`, if one is near.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_lowercase().replace('-', "_");
    // No known word is longer than 20 characters; comparing with a long one would only cost time.
    if word.len() > 40 {
        return None;
    }
    let score = |known: &&&str| {
        let same = known.len() >= 3 && (word.starts_with(**known) || known.starts_with(&word));
        if same && word.len() >= 3 { 1 } else { distance(&word, known) }
    };
    let best = known.iter().min_by_key(score)?;
    (score(&best) <= best.len().max(word.len()).div_ceil(3)).then_some(*best)
}

/// Edits (insert, delete, replace, swap neighbours) that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// Words in a sentence: `a`, `b` and `c`.
pub(crate) fn listed(words: &[&str]) -> String {
    let mut text = String::new();
    for (index, word) in words.iter().enumerate() {
        let separator = match index {
            0 => "",
            _ if index + 1 == words.len() => " and ",
            _ => ", ",
        };
        text.push_str(&format!("{separator}`{word}`"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_words_find_their_neighbour() {
        let known = ["vip", "protocol", "mode", "real_servers", "scheduler"];
        for (word, expected) in [
            ("protocl", Some("protocol")),
            ("proto", Some("protocol")),
            ("Mode", Some("mode")),
            ("real-servers", Some("real_servers")),
            ("shceduler", Some("scheduler")),
            ("vpi", Some("vip")),
            ("backends", None),
            ("x", None),
            ("", None),
            ("a word that is much longer than any known word", None),
        ] {
            assert_eq!(nearest(word, &known), expected, "{word}");
        }
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn words_are_listed_as_in_a_sentence() {
        assert_eq!(listed(&[]), "");
        assert_eq!(listed(&["a"]), "`a`");
        assert_eq!(listed(&["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
