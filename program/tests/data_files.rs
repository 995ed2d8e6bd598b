//! Sample files as users and attackers make them.

use std::io::{Cursor, Write};
use std::path::PathBuf;

use npyz::WriterBuilder;
use xonn_program::data::{self, DataError, Npz, Tensor, Values, image, npy, table};
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// An `.npy` file with this header and data.
fn npy_bytes(header: &str, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).expect("short").to_le_bytes();
    [&b"\x93NUMPY\x01\x00"[..], &length, header.as_bytes(), data].concat()
}

fn described(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    npy_bytes(&format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n"), data)
}

fn read(bytes: &[u8]) -> Result<Tensor, DataError> {
    npy::read(bytes, "test.npy")
}

fn tensor(shape: &[usize], values: Values) -> Tensor {
    Tensor::new(shape.to_vec(), values).expect("as many values as the shape says")
}

fn zipped(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).expect("memory");
        zip.write_all(bytes).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}

fn png_bytes(color: png::ColorType, depth: png::BitDepth, width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(vec![0, 0, 0, 255, 255, 255]);
    }
    let mut writer = encoder.write_header().expect("memory");
    writer.write_image_data(pixels).expect("memory");
    writer.finish().expect("memory");
    bytes
}

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a temporary file");
    (folder, path)
}

#[test]
fn every_integer_type_in_both_byte_orders() {
    let cases: [(&str, &[u8], [i64; 2]); 12] = [
        ("|i1", &[0x80, 0x7f], [-128, 127]),
        ("<u2", &[0x01, 0x02, 0xff, 0xff], [0x201, 65535]),
        (">u2", &[0x01, 0x02, 0xff, 0xff], [0x102, 65535]),
        ("<i2", &[0x00, 0x80, 0xff, 0xff], [-32768, -1]),
        (">i2", &[0x80, 0x00, 0xff, 0xfe], [-32768, -2]),
        ("<u4", &[0, 0, 0, 0x80, 1, 0, 0, 0], [1 << 31, 1]),
        (">u4", &[0x80, 0, 0, 0, 0, 0, 0, 1], [1 << 31, 1]),
        ("<i4", &[0, 0, 0, 0x80, 1, 0, 0, 0], [-(1 << 31), 1]),
        (">i4", &[0x80, 0, 0, 0, 0, 0, 0, 1], [-(1 << 31), 1]),
        ("<i8", &[0, 0, 0, 0, 0, 0, 0, 0x80, 255, 255, 255, 255, 255, 255, 255, 255], [i64::MIN, -1]),
        (">i8", &[0, 0, 0, 0, 0, 0, 1, 0, 255, 255, 255, 255, 255, 255, 255, 255], [256, -1]),
        ("<u8", &[255, 255, 255, 255, 255, 255, 255, 0x7f, 9, 0, 0, 0, 0, 0, 0, 0], [i64::MAX, 9]),
    ];
    for (descr, data, want) in cases {
        let got = read(&described(descr, false, "(2,)", data)).expect(descr);
        assert_eq!(got, tensor(&[2], Values::Integers(want.to_vec())), "{descr}");
    }
    let bytes = read(&described("|u1", false, "(2, 1)", &[0, 255])).expect("bytes");
    assert_eq!(bytes, tensor(&[2, 1], Values::Bytes(vec![0, 255])));
    let bools = read(&described("|b1", false, "(3,)", &[0, 1, 1])).expect("bools");
    assert_eq!(bools, tensor(&[3], Values::Bytes(vec![0, 1, 1])));
    let too_large =
        read(&described(">u8", false, "(1,)", &[0x80, 0, 0, 0, 0, 0, 0, 0])).expect_err("above i64");
    assert!(too_large.to_string().contains("an integer above 2^63 - 1"), "{too_large}");
}

#[test]
fn every_float_type_keeps_its_value() {
    let third = 1.0f32 / 3.0;
    let cases: [(&str, Vec<u8>, f64); 6] = [
        ("<f8", (-0.1f64).to_le_bytes().to_vec(), -0.1),
        (">f8", 1e-300f64.to_be_bytes().to_vec(), 1e-300),
        ("<f4", third.to_le_bytes().to_vec(), third.into()),
        (">f4", third.to_be_bytes().to_vec(), third.into()),
        ("<f2", vec![0x00, 0x3e], 1.5),
        (">f2", vec![0xc1, 0x00], -2.5),
    ];
    for (descr, data, want) in cases {
        let got = read(&described(descr, false, "()", &data)).expect(descr);
        assert_eq!(got, tensor(&[], Values::Reals(vec![want])), "{descr}");
    }
    let nan = read(&described("<f4", false, "(1,)", &f32::NAN.to_le_bytes())).expect("NaN is a value");
    assert!(nan.values().get(0).is_nan() && nan.values().integer(0).is_none());
}

#[test]
fn fortran_order_is_turned() {
    // Row-major 0..24 of shape [2, 3, 4], stored with the first axis fastest.
    let at = |i: u8, j: u8, k: u8| 12 * i + 4 * j + k;
    let stored: Vec<u8> =
        (0..4).flat_map(|k| (0..3).flat_map(move |j| (0..2).map(move |i| at(i, j, k)))).collect();
    let got = read(&described("|u1", true, "(2, 3, 4)", &stored)).expect("Fortran order");
    assert_eq!(got, tensor(&[2, 3, 4], Values::Bytes((0..24).collect())));
    // The oracle: npyz writes Fortran order by itself.
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .order(npyz::Order::Fortran)
        .shape(&[2, 2])
        .writer(&mut bytes)
        .begin_nd()
        .expect("memory");
    writer.extend([1i32, 3, 2, 4]).expect("memory");
    writer.finish().expect("memory");
    assert_eq!(read(&bytes).expect("written by npyz"), tensor(&[2, 2], Values::Integers(vec![1, 2, 3, 4])));
}

#[test]
fn written_arrays_are_read_by_npyz_and_by_us() {
    for shape in [&[][..], &[6], &[2, 3], &[1, 1, 6, 1]] {
        let values: Vec<i64> = (0..shape.iter().product::<usize>() as i64).map(|i| i - 3).collect();
        let (_folder, path) = file("a.npy", b"");
        data::write_npy(&path, &values, shape).expect("a temporary file");
        let bytes = std::fs::read(&path).expect("just written");
        let header = npyz::NpyFile::new(&bytes[..]).expect("NumPy's format");
        assert_eq!(header.shape(), shape.iter().map(|&n| n as u64).collect::<Vec<_>>());
        assert_eq!(header.into_vec::<i64>().expect("int64"), values);
        assert_eq!((bytes.len() - 8 * values.len()) % 64, 0, "data is aligned as NumPy aligns it");
        assert_eq!(data::load(&path).expect("just written").x, tensor(shape, Values::Integers(values)));
    }
    let mut bytes = Vec::new();
    npy::write_to(&mut bytes, &[0.1f32, f32::MAX], &[2]).expect("memory");
    assert_eq!(read(&bytes).expect("f4").values().get(0), f64::from(0.1f32));
    let missing = data::write_npy(&PathBuf::from("no/such/folder/a.npy"), &[1u8], &[1]);
    assert!(matches!(missing, Err(DataError::Write { .. })));
}

#[test]
fn truncated_npy_files_are_refused_at_every_length() {
    let whole = described("<f4", false, "(2, 3)", &[0; 24]);
    assert!(read(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(read(&whole[..length]).is_err(), "{length} bytes of {}", whole.len());
    }
    let longer = read(&[&whole[..], &[0]].concat()).expect_err("one byte more");
    assert!(matches!(longer, DataError::Length { found: 25, expected: 24, .. }), "{longer}");
}

#[test]
fn npy_headers_claim_without_effect() {
    let claim = |shape: &str| read(&described("<f8", false, shape, &[0; 16])).expect_err(shape);
    for shape in ["(1152921504606846976,)", "(4294967296, 4294967296)", "(268435457,)"] {
        assert!(matches!(claim(shape), DataError::TooLarge { .. }), "{shape}");
    }
    // 2 GiB are within the limit and are not there.
    assert!(matches!(claim("(268435456,)"), DataError::Length { found: 16, expected: 0x8000_0000, .. }));
    let axes = format!("({})", "1, ".repeat(65));
    assert!(matches!(claim(&axes), DataError::TooLarge { .. }), "more axes than NumPy has");
    // A length that only the header has room for: 4 GiB of header, in version 2.
    let long = read(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{").expect_err("no such header");
    assert!(long.to_string().contains("a header of 4294967295 bytes"), "{long}");
    let empty = read(&described("<f4", false, "(0, 18446744073709551615)", &[])).expect("no element");
    assert!(empty.samples_of(&[1]).is_err() && empty.values().is_empty());
}

#[test]
fn what_is_no_array_of_numbers_is_refused_by_name() {
    for descr in ["|O", "<U5", "|S3", "<c8", "<M8[ns]", "|V4", "f4", "<f16", ""] {
        let error = read(&described(descr, false, "(1,)", &[0; 16])).expect_err(descr).to_string();
        assert!(
            error.starts_with(&format!("test.npy: found dtype {descr:?}, expected an .npy file")),
            "{error}"
        );
    }
    assert!(read(b"PK\x03\x04 not numpy").expect_err("zip").to_string().contains("does not start like one"));
    let version = read(b"\x93NUMPY\x09\x00\x01\x00{").expect_err("version 9").to_string();
    assert!(version.contains("format version 9.0"), "{version}");
    let deep = read(&npy_bytes(&"[".repeat(60_000), &[])).expect_err("brackets").to_string();
    assert!(deep.len() < 400, "only the start of a header is quoted");
}

#[test]
fn npz_archives_give_named_arrays() {
    let x = described("|u1", false, "(2, 2)", &[1, 2, 3, 4]);
    let y = described("<i4", false, "(2,)", &[7, 0, 0, 0, 9, 0, 0, 0]);
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let objects = described("|O", false, "(1,)", b"pickle");
        let bytes = zipped(&[("x.npy", &x), ("y.npy", &y), ("names.npy", &objects)], method);
        let (_folder, path) = file("samples.NPZ", &bytes);
        let set = data::load(&path).expect("x and y");
        assert_eq!(set.x, tensor(&[2, 2], Values::Bytes(vec![1, 2, 3, 4])));
        assert_eq!((set.y, set.keras), (Some(tensor(&[2], Values::Integers(vec![7, 9]))), None));
        let mut npz = Npz::new(Cursor::new(&bytes), "a.npz").expect("an archive");
        let error = npz.array("names").expect_err("objects").to_string();
        assert!(error.starts_with("a.npz, array \"names\": found dtype \"|O\""), "{error}");
    }
    let bytes = zipped(&[("arr_0.npy", &x)], CompressionMethod::Stored);
    let (_folder, path) = file("a.npz", &bytes);
    let error = data::load(&path).expect_err("no x").to_string();
    assert!(error.ends_with("no array \"x\" in the archive, found [\"arr_0\"]"), "{error}");
}

#[test]
fn damaged_archives_are_refused() {
    let x = described("|u1", false, "(600,)", &(0..600).map(|i| (i * i) as u8).collect::<Vec<_>>());
    let read = |bytes: &[u8]| Npz::new(Cursor::new(bytes), "a.npz").and_then(|mut npz| npz.required("x"));
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let whole = zipped(&[("x.npy", &x)], method);
        assert!(read(&whole).is_ok());
        for length in (0..whole.len()).step_by(7) {
            assert!(read(&whole[..length]).is_err(), "{length} bytes of {}", whole.len());
        }
        // A flipped bit of the data is found by the archive's checksum.
        let mut damaged = whole.clone();
        damaged[200] ^= 4;
        assert!(read(&damaged).is_err());
        // Any byte changed: an error or the array, and no panic.
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                if let Ok(t) = read(&damaged) {
                    assert_eq!(t.values().len(), 600);
                }
            }
        }
    }
}

#[test]
fn zip_bombs_unpack_only_what_the_array_declares() {
    // 64 MiB of zeros in 64 kB, said to be 10 numbers.
    let start = described("<f8", false, "(10,)", &[]);
    let bomb = [&start[..], &vec![0; 64 << 20]].concat();
    let bytes = zipped(&[("x.npy", &bomb)], CompressionMethod::Deflated);
    assert!(bytes.len() < 100_000);
    let mut npz = Npz::new(Cursor::new(&bytes), "a.npz").expect("an archive");
    let error = npz.required("x").expect_err("64 MiB too long");
    assert!(matches!(error, DataError::Length { found: 81, expected: 80, .. }), "{error}");
    // Said to be more than may be read.
    let start = described("<f8", false, "(1000000, 1000000)", &[0; 4096]);
    let bytes = zipped(&[("x.npy", &start)], CompressionMethod::Deflated);
    let mut npz = Npz::new(Cursor::new(&bytes), "a.npz").expect("an archive");
    assert!(matches!(npz.required("x"), Err(DataError::TooLarge { .. })));
}

#[test]
fn images_of_bytes_are_read() {
    use png::{BitDepth, ColorType};
    let read = |bytes: &[u8]| image::read(Cursor::new(bytes), "a.png");
    let gray = png_bytes(ColorType::Grayscale, BitDepth::Eight, 3, 2, &[0, 1, 2, 253, 254, 255]);
    let want = tensor(&[2, 3, 1], Values::Bytes(vec![0, 1, 2, 253, 254, 255]));
    assert_eq!(read(&gray).expect("grayscale"), want);
    let rgb: Vec<u8> = (0..18).collect();
    let got = read(&png_bytes(ColorType::Rgb, BitDepth::Eight, 3, 2, &rgb)).expect("RGB");
    assert_eq!(got, tensor(&[2, 3, 3], Values::Bytes(rgb)));
    let (_folder, path) = file("a.PNG", &gray);
    assert_eq!(data::load(&path).expect("grayscale").x, want);
}

/// A file of `tests/data`, and its pixels as Pillow reads them.
fn image_fixture(name: &str) -> (Tensor, Tensor) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    let pillow = path.with_extension(format!("{}.npy", path.extension().expect("one").display()));
    (data::load(&path).expect(name).x, data::load(&pillow).expect("Pillow's pixels").x)
}

#[test]
fn every_kind_of_png_has_the_pixels_that_pillow_reads() {
    let images = ["alpha.png", "grey_alpha.png", "palette.png", "palette_alpha.png", "bits.png", "wide.png"];
    for name in images {
        let (ours, pillow) = image_fixture(name);
        assert_eq!(ours.shape(), pillow.shape(), "{name}");
        for i in 0..ours.values().len() {
            assert_eq!(ours.values().integer(i), pillow.values().integer(i), "{name}, number {i}");
        }
    }
    // Bits between 1 and 8, and 16 bits of colour, which Pillow takes for 8.
    use png::{BitDepth, ColorType};
    let read = |color, depth, pixels: &[u8]| {
        image::read(Cursor::new(png_bytes(color, depth, 2, 1, pixels)), "a.png").expect("an image")
    };
    let two = read(ColorType::Grayscale, BitDepth::Two, &[0b0110_0000]);
    assert_eq!(two, tensor(&[1, 2, 1], Values::Bytes(vec![85, 170])));
    let colours: Vec<u8> = (0..12).collect();
    let wide = read(ColorType::Rgb, BitDepth::Sixteen, &colours);
    assert_eq!(wide, tensor(&[1, 2, 3], Values::Integers(vec![1, 515, 1029, 1543, 2057, 2571])));
    let with_alpha = read(ColorType::Rgba, BitDepth::Sixteen, &(0..16).collect::<Vec<u8>>());
    assert_eq!(with_alpha, tensor(&[1, 2, 3], Values::Integers(vec![1, 515, 1029, 2057, 2571, 3085])));
}

#[test]
fn jpeg_images_are_read_as_pillow_reads_them_up_to_rounding() {
    for (name, most) in [("grey.jpg", 1), ("colour.jpg", 2), ("half_colour.jpg", 6), ("progressive.jpg", 6)] {
        let (ours, pillow) = image_fixture(name);
        assert_eq!(ours.shape(), pillow.shape(), "{name}");
        let off = |i| (ours.values().get(i) - pillow.values().get(i)).abs() as u32;
        let worst = (0..ours.values().len()).map(off).max().expect("pixels");
        assert!(worst <= most, "{name}: off by {worst}");
    }
    let print = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/print.jpg");
    let error = data::load(&print).expect_err("four colours").to_string();
    assert!(error.contains("found colours as") && error.contains("expected a whole JPEG"), "{error}");
}

#[test]
fn jpeg_images_that_are_cut_short_are_refused() {
    for name in ["grey.jpg", "half_colour.jpg", "progressive.jpg"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
        let whole = std::fs::read(path).expect("readable");
        let read = |bytes: &[u8]| image::read_jpeg(Cursor::new(bytes), "a.jpg");
        let want = read(&whole).expect("an image");
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{name}: {length} bytes of {}", whole.len());
        }
        let longer = [&whole[..], b"what a camera puts behind it"].concat();
        assert!(read(&longer).expect("an image") == want, "{name}");
        for at in 0..whole.len() {
            for value in [0, 0x40, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let _ = read(&damaged); // an image or an error, and no panic
            }
        }
        // A header that claims 65,535 pixels either way.
        let frame = whole.windows(2).position(|m| m == [0xff, 0xc0] || m == [0xff, 0xc2]).expect("a frame");
        let mut large = whole.clone();
        large[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
        assert!(matches!(read(&large), Err(DataError::TooLarge { .. })), "{name}");
        large[frame + 5..frame + 9].copy_from_slice(&[0x10, 0, 0x10, 0]);
        assert!(matches!(read(&large), Err(DataError::Length { .. })), "{name}");
    }
}

#[test]
fn damaged_images_are_refused() {
    use png::{BitDepth, ColorType};
    let read = |bytes: &[u8]| image::read(Cursor::new(bytes), "a.png");
    let pixels: Vec<u8> = (0..64 * 64).map(|i: u32| (i * i / 7) as u8).collect();
    let whole = png_bytes(ColorType::Grayscale, BitDepth::Eight, 64, 64, &pixels);
    // The last 12 bytes are the IEND chunk, which holds nothing.
    for length in (0..whole.len() - 16).step_by(13) {
        assert!(read(&whole[..length]).is_err(), "{length} bytes of {}", whole.len());
    }
    // A header that claims another size, with a good checksum.
    let claim = |width: u32, height: u32| {
        let mut bytes = whole.clone();
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = crc32(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&crc.to_be_bytes());
        read(&bytes).expect_err("not so many pixels")
    };
    assert!(matches!(claim(1 << 30, 1 << 30), DataError::TooLarge { .. }));
    assert!(matches!(claim(8192, 8193), DataError::TooLarge { .. }));
    assert!(matches!(claim(8192, 8192), DataError::Length { .. }), "64 MiB out of a small file");
    assert!(matches!(claim(64, 65), DataError::Png { .. }), "one row more than there is");
    assert!(matches!(claim(0, 64), DataError::Png { .. }));
}

/// The checksum of PNG chunks, bit by bit (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    })
}

#[test]
fn tables_are_read_with_and_without_heading() {
    let read = |text: &str| table::read(text.as_bytes(), "a.csv").expect(text);
    let want = tensor(&[2, 3], Values::Integers(vec![1, 2, 3, 4, -5, 6]));
    assert_eq!(read("1,2,3\n4,-5,6\n"), want);
    assert_eq!(read("a,b,c\r\n1, 2 ,3\r\n\r\n4,-5,\"6\""), want);
    assert_eq!(read("\u{feff}1,2,3\r\n4,-5,6\r\n"), want, "as spreadsheets save it");
    assert_eq!(read("# as np.savetxt writes it\n1,2,3\n4,-5,6"), want);
    assert_eq!(read("1\n2.5\n-1e-3\n"), tensor(&[3, 1], Values::Reals(vec![1.0, 2.5, -0.001])));
    let exact = read("9007199254740993\n");
    assert_eq!(exact.values().integer(0), Some(9_007_199_254_740_993), "integers are not rounded to f64");
}

#[test]
fn broken_tables_name_line_and_column() {
    let error = |text: &[u8]| table::read(text, "a.csv").expect_err("broken").to_string();
    assert_eq!(error(b"1,2\n3,x\n"), "a.csv, line 2, column 2: found \"x\", expected a number");
    assert_eq!(error(b"a,b\n\n1,\n"), "a.csv, line 3, column 2: found \"\", expected a number");
    assert_eq!(error(b"label,1\n"), "a.csv, line 1, column 1: found \"label\", expected a number");
    assert_eq!(error(b"1,2\n3,4,5\n"), "a.csv, line 2: found 3 numbers, expected 2 as in the first row");
    assert_eq!(error(b"1;2\n3;4\n"), "a.csv, line 2, column 1: found \"3;4\", expected a number");
    assert_eq!(error(b"1,\xff\n"), "a.csv, line 1, column 2: found \"\u{fffd}\", expected a number");
    // Behind blank lines and comments, with either end of line; the csv crate alone says lines 2, 4 and 3.
    assert_eq!(error(b"1,2\n\n# c\n\n3,x\n"), "a.csv, line 5, column 2: found \"x\", expected a number");
    assert_eq!(
        error(b"1,2\r\n\r\n\r\n3\r\n"),
        "a.csv, line 4: found 1 numbers, expected 2 as in the first row"
    );
    assert_eq!(
        error(b"\n\n1,2\n3,\"4\n\n5,6\n"),
        "a.csv: found a quote in line 4 that does not end there, \
        expected one sample a row, as comma-separated numbers"
    );
    assert_eq!(error(b"1,2\n3,\"a\"\"b\""), "a.csv, line 2, column 2: found \"a\\\"b\", expected a number");
    for nothing in [&b""[..], b"a,b\n", b"\n\n", b"# 1\n"] {
        assert!(error(nothing).starts_with("a.csv: found no row of numbers"));
    }
    assert!(error(format!("1\n{}\n", "y".repeat(9999)).as_bytes()).len() < 120, "only a piece is quoted");
}

#[test]
fn the_suffix_tells_the_format() {
    let (_folder, path) = file("a.gif", b"");
    assert!(matches!(data::load(&path), Err(DataError::Suffix { found, .. }) if found == "gif"));
    let missing = data::load(&PathBuf::from("missing.npy")).expect_err("no such file");
    assert_eq!(missing.to_string(), "missing.npy: cannot be read");
}
