//! Images: one sample of pixels.
//!
//! | file | numbers |
//! |---|---|
//! | 8 bits, grey or RGB | 0 to 255, as they are |
//! | 1, 2 and 4 bits, grey | spread over 0 to 255: black is 0, white 255 |
//! | palette | RGB of the palette, 0 to 255 |
//! | 16 bits, grey or RGB | 0 to 65,535, as they are |
//! | alpha, also that of a palette | left out: colours are those that are stored |
//! | JPEG | 0 to 255, grey or RGB |
//!
//! That is what `keras.utils.load_img` gives, except that it takes 16-bit RGB for 8 bits.

mod jpeg;

use std::io::{BufRead, Seek, SeekFrom};

pub use jpeg::read as read_jpeg;
use png::{BitDepth, ColorType, Decoder, Transformations};

use super::{DataError, Tensor, Values};

/// Most bytes of an unpacked image: 8192 x 8192 grayscale.
const MAX_BYTES: u64 = 1 << 26;

/// Deflate packs at most 258 bytes into 2 bits.
const MAX_RATIO: u64 = 1032;

/// Reads a PNG image as `[height, width, channels]` with 1 or 3 channels; `name` is for errors.
///
/// # Errors
/// [`DataError`]: a damaged file, an image of more than 64 MiB or of more pixels than the file can hold.
pub fn read(mut reader: impl BufRead + Seek, name: &str) -> Result<Tensor, DataError> {
    let png = |source| DataError::Png { name: name.into(), source };
    let packed = length(&mut reader, name)?;
    let mut decoder = Decoder::new(reader);
    // Palettes become colours, transparent colours alpha, and fewer bits than 8 are spread over 8.
    decoder.set_transformations(Transformations::EXPAND);
    let info = decoder.read_header_info().map_err(png)?;
    let (height, width) = (u64::from(info.height), u64::from(info.width));
    let stored = match info.color_type {
        ColorType::Grayscale | ColorType::Indexed => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
    };
    let stored = stored * u64::from(info.bit_depth as u8);
    // With its alpha, which a palette's colours may have.
    let (channels, bytes_each) = match (info.color_type, info.bit_depth) {
        (ColorType::Indexed, _) => (3, 4),
        (ColorType::Rgb | ColorType::Rgba, BitDepth::Sixteen) => (3, 8),
        (ColorType::Rgb | ColorType::Rgba, _) => (3, 4),
        (_, BitDepth::Sixteen) => (1, 4),
        _ => (1, 2),
    };
    check_size([height, width, channels], bytes_each, name)?;
    let row = (width * stored).div_ceil(8);
    check_length([height, width, channels], row * height, packed.saturating_mul(MAX_RATIO), name)?;
    let mut image = decoder.read_info().map_err(png)?;
    let size = image.output_buffer_size().filter(|&size| size as u64 <= 4 * MAX_BYTES);
    let size = size.ok_or_else(|| too_large([height, width, channels], name))?;
    let mut pixels = vec![0; size];
    let frame = image.next_frame(&mut pixels).map_err(png)?;
    // An image in several parts is cut short where a part is missing.
    image.finish().map_err(png)?;
    pixels.truncate(frame.buffer_size());
    let (stored, kept) = match frame.color_type {
        ColorType::Grayscale => (1, 1),
        ColorType::GrayscaleAlpha => (2, 1),
        ColorType::Rgb => (3, 3),
        ColorType::Rgba => (4, 3),
        ColorType::Indexed => {
            let found = "a palette whose colours are missing".into();
            return Err(DataError::Format { name: name.into(), found, expected: "a whole PNG image" });
        }
    };
    let shape = vec![height as usize, width as usize, kept];
    let values = match frame.bit_depth {
        BitDepth::Sixteen => Values::Integers(wide(&pixels, stored, kept)),
        _ if stored == kept => Values::Bytes(pixels),
        _ => Values::Bytes(pixels.chunks_exact(stored).flat_map(|pixel| &pixel[..kept]).copied().collect()),
    };
    Tensor::new(shape, values).ok_or_else(|| DataError::Format {
        name: name.into(),
        found: "another number of pixels than its header declares".into(),
        expected: "a whole PNG image",
    })
}

/// The first `kept` of every `stored` numbers of two bytes, the high one first.
fn wide(pixels: &[u8], stored: usize, kept: usize) -> Vec<i64> {
    let pixel = |pixel: &[u8]| -> Vec<i64> {
        pixel.as_chunks::<2>().0[..kept].iter().map(|&number| u16::from_be_bytes(number).into()).collect()
    };
    pixels.chunks_exact(2 * stored).flat_map(pixel).collect()
}

/// Bytes of the whole file.
fn length(reader: &mut impl Seek, name: &str) -> Result<u64, DataError> {
    let io = |source| DataError::Read { name: name.into(), source };
    let packed = reader.seek(SeekFrom::End(0)).map_err(io)?;
    reader.rewind().map_err(io)?;
    Ok(packed)
}

fn too_large(shape: [u64; 3], name: &str) -> DataError {
    DataError::TooLarge { name: name.into(), shape: shape.to_vec(), limit: MAX_BYTES }
}

/// Whether an image of `each` bytes a pixel is small enough to be unpacked.
fn check_size(shape: [u64; 3], each: u64, name: &str) -> Result<(), DataError> {
    let pixels = shape[0].checked_mul(shape[1]);
    // Alpha is unpacked, too, but does not count.
    match pixels.and_then(|pixels| pixels.checked_mul(shape[2].max(each / 2))) {
        Some(bytes) if bytes <= MAX_BYTES => Ok(()),
        _ => Err(too_large(shape, name)),
    }
}

/// Refused before anything is allocated: `expected` bytes cannot come out of so short a file.
fn check_length(shape: [u64; 3], expected: u64, most: u64, name: &str) -> Result<(), DataError> {
    if expected <= most {
        return Ok(());
    }
    Err(DataError::Length { name: name.into(), shape: shape.to_vec(), found: most, expected })
}
