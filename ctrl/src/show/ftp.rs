//! The FTP helper's counters, in words.

use crate::api::proto::Ftp;

/// A line about what it did, and one about what it could not do; none where there was nothing.
pub(super) fn lines(ftp: &Ftp) -> String {
    let mut text = String::new();
    if ftp.announced > 0 {
        let Ftp { announced, data_flows, edited, .. } = ftp;
        text += &format!(
            "ftp: {announced} data connections announced, {data_flows} begun, {edited} addresses \
             replaced\n"
        );
    }
    let left = [
        (ftp.split, "over two segments"),
        (ftp.garbled, "not understood"),
        (ftp.refused, "of other hosts or ports below 1024"),
        (ftp.unfit, "too long for the packet"),
        (ftp.controls_full, "of too many control connections"),
        (ftp.no_flow, "without room for a flow"),
        (ftp.given_up, "given up for others"),
        (ftp.notes_lost, "lost between workers"),
    ];
    let left = left.iter().filter(|(count, _)| *count > 0);
    let left: Vec<_> = left.map(|(count, why)| format!("{count} {why}")).collect();
    if !left.is_empty() {
        text += &format!("ftp: announcements left alone: {}\n", left.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happened_is_said() {
        assert_eq!(lines(&Ftp::default()), "");
        let ftp =
            Ftp { announced: 5, data_flows: 4, edited: 3, split: 2, refused: 1, ..Ftp::default() };
        let expected = "ftp: 5 data connections announced, 4 begun, 3 addresses replaced\n\
                        ftp: announcements left alone: 2 over two segments, 1 of other hosts or \
                        ports below 1024\n";
        assert_eq!(lines(&ftp), expected);
    }
}
