//! JPEG images: grey or colour, baseline or progressive.

use std::io::{BufRead, Cursor, Seek};

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{MAX_BYTES, check_length, check_size, length};
use crate::data::{DataError, Tensor, Values};

/// Most bytes of pixels that a byte of the file can stand for: a block of 8 x 8 takes a bit at least in the
/// first scan, and colours of 32 x 32 pixels are 18 blocks.
const MAX_RATIO: u64 = 2048;

/// Most scans of a progressive image; encoders make about ten.
const MAX_SCANS: usize = 64;

const EXPECTED: &str = "a whole JPEG image, grey or RGB";

/// Reads a JPEG image as `[height, width, channels]` with 1 or 3 channels; `name` is for errors.
///
/// Pixels are those of this decoder. Decoders round differently, by a few units where colours are stored at
/// half the size, so where a label hangs on it the pixels that Keras saw are better stored as `.png` or
/// `.npy`.
///
/// # Errors
/// [`DataError`]: a damaged file, an image of more than 64 MiB or of more pixels than the file can hold,
/// colours for print.
pub fn read(mut reader: impl BufRead + Seek, name: &str) -> Result<Tensor, DataError> {
    let packed = length(&mut reader, name)?;
    let format = |found: String| DataError::Format { name: name.into(), found, expected: EXPECTED };
    let damaged = |e: zune_jpeg::errors::DecodeErrors| format(format!("a damaged image ({e})"));
    if packed > MAX_BYTES {
        return Err(format(format!("a file of {packed} bytes")));
    }
    let mut file = Vec::new();
    reader.read_to_end(&mut file).map_err(|source| DataError::Read { name: name.into(), source })?;
    // The decoder makes up what is missing, and says nothing of it.
    if !has_end(&file) {
        return Err(format("an image that is cut short".into()));
    }
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .jpeg_set_max_scans(MAX_SCANS)
        .set_max_width(1 << 16)
        .set_max_height(1 << 16);
    let mut decoder = JpegDecoder::new_with_options(Cursor::new(&file), options);
    decoder.decode_headers().map_err(damaged)?;
    let info = decoder.info().ok_or_else(|| format("no header".into()))?;
    let (colours, channels) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (ColorSpace::Luma, 1),
        Some(ColorSpace::YCbCr | ColorSpace::RGB) => (ColorSpace::RGB, 3),
        other => {
            let other = other.unwrap_or(ColorSpace::Unknown);
            return Err(format(format!("colours as {other:?}")));
        }
    };
    let shape = [u64::from(info.height), u64::from(info.width), channels];
    check_size(shape, channels, name)?;
    let bytes = shape.iter().product();
    check_length(shape, bytes, packed.saturating_mul(MAX_RATIO), name)?;
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    let mut pixels = vec![0; bytes as usize];
    if decoder.output_buffer_size() != Some(pixels.len()) {
        return Err(format("another number of channels than its header declares".into()));
    }
    decoder.decode_into(&mut pixels).map_err(damaged)?;
    let shape = shape.map(|side| side as usize).to_vec();
    Ok(Tensor::new(shape, Values::Bytes(pixels)).expect("as many bytes as the shape has elements"))
}

/// Whether the marker of the end is where the segments and scans of an image lead to; what cameras put behind
/// it is left alone.
fn has_end(file: &[u8]) -> bool {
    const SCAN: u8 = 0xda;
    const END: u8 = 0xd9;
    let Some(mut rest) = file.strip_prefix(b"\xff\xd8") else { return false };
    loop {
        // A marker may have any number of 0xff in front.
        let fill = rest.iter().take_while(|&&byte| byte == 0xff).count();
        let Some(&marker) = rest.get(fill).filter(|_| fill > 0) else { return false };
        if marker == END {
            return true;
        }
        rest = &rest[fill + 1..];
        let Some(&[high, low]) = rest.first_chunk::<2>() else { return false };
        let Some(behind) = rest.get(usize::from(u16::from_be_bytes([high, low]))..) else { return false };
        rest = behind;
        if marker == SCAN {
            // To the next marker that is none of those within a scan: a stuffed 0, or where the decoder may
            // begin anew.
            let within = |byte: u8| matches!(byte, 0 | 0xd0..=0xd7 | 0xff);
            let next = rest.windows(2).position(|pair| pair[0] == 0xff && !within(pair[1]));
            rest = match next {
                Some(at) => &rest[at..],
                None => return false,
            };
        }
    }
}
