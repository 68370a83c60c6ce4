//! SCTP packets for tests, with the checksum computed the plainest way there is.

/// CRC32c of `bytes`, bit by bit (RFC 9260 appendix A).
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let carry = crc & 1 == 1;
            crc >>= 1;
            if carry {
                crc ^= 0x82F6_3B78;
            }
        }
    }
    !crc
}

/// The checksum that the SCTP packet `packet` should have; its own counts as zero.
///
/// # Panics
///
/// If it is shorter than the common header.
#[must_use]
pub fn sctp_checksum(packet: &[u8]) -> u32 {
    let mut packet = packet.to_vec();
    packet[8..12].fill(0);
    crc32c(&packet)
}

/// An SCTP packet: ports, verification tag, checksum, chunks.
#[must_use]
pub fn sctp_packet((src_port, dst_port): (u16, u16), tag: u32, chunks: &[u8]) -> Vec<u8> {
    let (src, dst, tag) = (src_port.to_be_bytes(), dst_port.to_be_bytes(), tag.to_be_bytes());
    let mut packet = [&src[..], &dst, &tag, &[0; 4], chunks].concat();
    let checksum = sctp_checksum(&packet);
    packet[8..12].copy_from_slice(&checksum.to_le_bytes());
    packet
}

/// A chunk with its head, filled up to a multiple of four bytes.
///
/// # Panics
///
/// If the body is longer than a chunk can be.
#[must_use]
pub fn sctp_chunk(chunk_type: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len() + 4).expect("a chunk of at most 65535 bytes");
    let mut chunk = [&[chunk_type, 0][..], &len.to_be_bytes(), body].concat();
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720 section B.4, and the check value of the catalogue of CRCs.
    #[test]
    fn published_vectors() {
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c(&[0xFF; 32]), 0x62A8_AB43);
        assert_eq!(crc32c(&ascending), 0x46DD_794E);
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn chunks_are_filled_up() {
        assert_eq!(sctp_chunk(10, &[1]), [10, 0, 0, 5, 1, 0, 0, 0]);
        assert_eq!(sctp_chunk(6, &[]), [6, 0, 0, 4]);
    }
}
