//! Pictures made of squares: they look like QR codes, differ like QR codes, and say nothing.

/// Squares on each side.
const SQUARES: usize = 33;
/// Pixels on each side of a square.
const SCALE: usize = 6;

/// A PNG of a grid of squares, black where the text's hash says so.
pub(super) fn png_of(text: &str) -> Vec<u8> {
    let side = (SQUARES * SCALE) as u32;
    let mut header = Vec::with_capacity(13);
    header.extend(side.to_be_bytes());
    header.extend(side.to_be_bytes());
    // Eight bits of grey; the usual compression and filter, not interlaced.
    header.extend([8, 0, 0, 0, 0]);

    let mut png = vec![0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n'];
    write_chunk(&mut png, *b"IHDR", &header);
    write_chunk(&mut png, *b"IDAT", &stored(&pixels(text)));
    write_chunk(&mut png, *b"IEND", &[]);
    png
}

fn pixels(text: &str) -> Vec<u8> {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    let mut rows = Vec::with_capacity(SQUARES * SCALE * (SQUARES * SCALE + 1));
    for row in 0..SQUARES {
        let mut line = vec![0_u8];
        for column in 0..SQUARES {
            let letter = text.as_bytes().get((row * SQUARES + column) % text.len().max(1));
            hash = (hash ^ u64::from(letter.copied().unwrap_or(0)))
                .wrapping_mul(0x0000_0100_0000_01B3);
            let is_black = corner(row, column).unwrap_or(hash >> 40 & 1 == 1);
            line.extend([if is_black { 0 } else { 0xFF }; SCALE]);
        }
        for _ in 0..SCALE {
            rows.extend(&line);
        }
    }
    rows
}

/// The three marks in the corners by which one knows a QR code; `None` elsewhere.
fn corner(row: usize, column: usize) -> Option<bool> {
    let last = SQUARES - 1;
    let (in_bottom, in_right) = (row > last - 8, column > last - 8);
    if (row > 7 && !in_bottom) || (column > 7 && !in_right) || (in_bottom && in_right) {
        return None;
    }
    let from_edge = |place: usize| if place > last / 2 { last - place } else { place };
    let (row, column) = (from_edge(row), from_edge(column));
    let is_ring = row == 0 || row == 6 || column == 0 || column == 6;
    let is_centre = (2..=4).contains(&row) && (2..=4).contains(&column);
    Some(row < 7 && column < 7 && (is_ring || is_centre))
}

/// The bytes in zlib's format, stored without compression.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut zlib = vec![0x78, 0x01];
    let mut blocks = bytes.chunks(0xFFFF).peekable();
    while let Some(block) = blocks.next() {
        let length = block.len() as u16;
        zlib.push(u8::from(blocks.peek().is_none()));
        zlib.extend(length.to_le_bytes());
        zlib.extend((!length).to_le_bytes());
        zlib.extend(block);
    }
    zlib.extend(adler_32(bytes).to_be_bytes());
    zlib
}

fn write_chunk(png: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    png.extend((data.len() as u32).to_be_bytes());
    let start = png.len();
    png.extend(kind);
    png.extend(data);
    let checksum = crc_32(&png[start..]);
    png.extend(checksum.to_be_bytes());
}

fn adler_32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

fn crc_32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_match_their_standard_check_values() {
        assert_eq!(crc_32(b"123456789"), 0xCBF4_3926);
        assert_eq!(adler_32(b"Wikipedia"), 0x11E6_0398);
    }

    #[test]
    fn different_texts_give_different_pictures() {
        assert_ne!(png_of("2@a"), png_of("2@b"));
        assert_eq!(png_of("2@a"), png_of("2@a"));
        assert!(png_of("").starts_with(b"\x89PNG"));
    }
}
