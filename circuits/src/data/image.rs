//! PNG images: one sample of bytes.

use std::io::{BufRead, Seek, SeekFrom};

use png::{BitDepth, ColorType, Decoder, Transformations};

use super::{DataError, Tensor, Values};

/// Most bytes of an unpacked image: 8192 x 8192 grayscale.
const MAX_BYTES: u64 = 1 << 26;

/// Deflate packs at most 258 bytes into 2 bits.
const MAX_RATIO: u64 = 1032;

/// Reads an 8-bit grayscale or RGB image as `[height, width, channels]`; `name` is for errors.
///
/// # Errors
/// [`DataError`]: a damaged file, an image of more than 64 MiB or of more pixels than the file can hold, or another
/// kind of pixels. Palettes, alpha and 16 bits are refused, since there is more than one way to turn them into what
/// the model was trained on.
pub fn read(mut reader: impl BufRead + Seek, name: &str) -> Result<Tensor, DataError> {
    let io = |source| DataError::Read { name: name.into(), source };
    let png = |source| DataError::Png { name: name.into(), source };
    let packed = reader.seek(SeekFrom::End(0)).map_err(io)?;
    reader.rewind().map_err(io)?;

    let mut decoder = Decoder::new(reader);
    decoder.set_transformations(Transformations::IDENTITY);
    let info = decoder.read_header_info().map_err(png)?;
    let channels = match (info.color_type, info.bit_depth) {
        (ColorType::Grayscale, BitDepth::Eight) => 1,
        (ColorType::Rgb, BitDepth::Eight) => 3,
        (color, depth) => {
            return Err(DataError::Format {
                name: name.into(),
                found: format!("an image of color type {color:?} with {} bits", depth as u8),
                expected: "8-bit grayscale or RGB; convert the image first",
            });
        }
    };
    let shape = [u64::from(info.height), u64::from(info.width), channels];
    let bytes = shape.iter().try_fold(1u64, |n, &side| n.checked_mul(side));
    let bytes = match bytes {
        Some(bytes) if bytes <= MAX_BYTES => bytes,
        _ => return Err(DataError::TooLarge { name: name.into(), shape: shape.to_vec(), limit: MAX_BYTES }),
    };
    // Refused before anything is allocated: so many pixels cannot come out of so short a file.
    let most = packed.saturating_mul(MAX_RATIO);
    if bytes > most {
        return Err(DataError::Length {
            name: name.into(),
            shape: shape.to_vec(),
            found: most,
            expected: bytes,
        });
    }
    let mut image = decoder.read_info().map_err(png)?;
    let mut pixels = vec![0; bytes as usize];
    image.next_frame(&mut pixels).map_err(png)?;
    let shape = shape.map(|side| side as usize).to_vec();
    Ok(Tensor::new(shape, Values::Bytes(pixels)).expect("as many bytes as the shape has elements"))
}
