//! Messages: fields one after the other, the numbers of a field packed lowest bit first and padded to a byte.

use xonn_crypto::Wiped;
use xonn_crypto::bits::{self, BitsError, byte_len};

use super::StepError;
use super::column::Column;

/// The fields of a message: of each, how many numbers of how many bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(usize, u32)>);

impl Fields {
    /// One field more.
    #[must_use]
    pub fn with(mut self, count: usize, bits: u32) -> Self {
        self.0.push((count, bits));
        self
    }

    /// Fields of one bit an element.
    #[must_use]
    pub fn with_columns(mut self, columns: usize, len: usize) -> Self {
        self.0.extend(core::iter::repeat_n((len, 1), columns));
        self
    }

    /// These, and others behind them.
    #[must_use]
    pub fn followed_by(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Bits of all, without padding.
    pub fn bits(&self) -> usize {
        self.0.iter().map(|&(count, bits)| count * bits as usize).sum()
    }

    /// Bytes of all, which is the message's length.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|&(count, bits)| byte_len(count, bits)).sum()
    }
}

/// Writes the fields of a message.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A message that is to have these fields.
    pub fn new(fields: &Fields) -> Self {
        Self(Vec::with_capacity(fields.bytes()))
    }

    /// A field of one bit an element.
    pub fn column(&mut self, column: &Column) {
        let end = self.0.len() + byte_len(column.len(), 1);
        self.0.extend(column.words().iter().flat_map(|word| word.to_le_bytes()));
        self.0.truncate(end);
    }

    /// A field of numbers of so many bits, 1 to 64.
    pub fn numbers(&mut self, numbers: &[u64], bits: u32) {
        bits::pack(numbers, bits, &mut self.0);
    }

    /// The message.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads the fields of a message.
#[derive(Debug)]
pub struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A message, named for errors, that has these fields.
    ///
    /// # Errors
    /// [`StepError::Length`] if it has another length.
    pub fn new(what: &'static str, message: &'a [u8], fields: &Fields) -> Result<Self, StepError> {
        let (expected, actual) = (fields.bytes(), message.len());
        match expected == actual {
            true => Ok(Self { what, rest: message }),
            false => Err(StepError::Length { what, expected, actual }),
        }
    }

    /// The next field's bytes.
    fn field(&mut self, count: usize, bits: u32) -> Result<&'a [u8], StepError> {
        let (expected, actual) = (byte_len(count, bits), self.rest.len());
        let Some((field, rest)) = self.rest.split_at_checked(expected) else {
            return Err(StepError::Length { what: self.what, expected, actual });
        };
        self.rest = rest;
        Ok(field)
    }

    /// A field of one bit an element.
    ///
    /// # Errors
    /// [`StepError`] if the message ends, or its padding is not zero.
    pub fn column(&mut self, len: usize) -> Result<Column, StepError> {
        let field = self.field(len, 1)?;
        if let (used @ 1.., Some(&last)) = (len % 8, field.last())
            && last >> used != 0
        {
            let source = BitsError::Padding { last, used: used as u32 };
            return Err(StepError::Bits { what: self.what, source });
        }
        let mut column = Column::zeros(len);
        for (number, bytes) in field.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            column.set_word(number, u64::from_le_bytes(word));
        }
        Ok(column)
    }

    /// So many fields of one bit an element.
    ///
    /// # Errors
    /// [`StepError`] as for one.
    pub fn columns<const N: usize>(&mut self, len: usize) -> Result<[Column; N], StepError> {
        let mut columns = [const { None }; N];
        for column in &mut columns {
            *column = Some(self.column(len)?);
        }
        Ok(columns.map(|column| column.unwrap_or_else(|| Column::zeros(len))))
    }

    /// A field of numbers of so many bits, 1 to 64.
    ///
    /// # Errors
    /// [`StepError`] if the message ends, or its padding is not zero.
    pub fn numbers(&mut self, count: usize, bits: u32) -> Result<Wiped<u64>, StepError> {
        let field = self.field(count, bits)?;
        let numbers = bits::unpack(field, count, bits);
        numbers.map(Wiped::from).map_err(|source| StepError::Bits { what: self.what, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_they_were_written() {
        for len in [1, 7, 8, 9, 64, 65, 200] {
            let fields = Fields::default().with_columns(2, len).with(len, 5);
            let columns = [3, 7].map(|step| Column::from_fn(len, |i| (i % step == 0) as u64));
            let numbers: Vec<u64> = (0..len as u64).map(|i| i * 11 % 32).collect();
            let mut writer = Writer::new(&fields);
            columns.iter().for_each(|column| writer.column(column));
            writer.numbers(&numbers, 5);
            let message = writer.finish();
            assert_eq!((message.len(), fields.bits()), (fields.bytes(), 7 * len));
            let mut reader = Reader::new("test", &message, &fields).unwrap();
            assert_eq!(reader.columns(len).unwrap(), columns);
            assert_eq!(*reader.numbers(len, 5).unwrap(), numbers);
            let wrong = Reader::new("test", &message[1..], &fields).unwrap_err();
            let (expected, actual) = (fields.bytes(), fields.bytes() - 1);
            assert_eq!(wrong, StepError::Length { what: "test", expected, actual });
        }
    }

    #[test]
    fn padding_and_a_missing_field_are_errors() {
        let fields = Fields::default().with_columns(1, 3);
        let padding = StepError::Bits { what: "test", source: BitsError::Padding { last: 8, used: 3 } };
        assert_eq!(Reader::new("test", &[8], &fields).unwrap().column(3), Err(padding));
        let mut reader = Reader::new("test", &[7], &fields).unwrap();
        reader.column(3).unwrap();
        let missing = StepError::Length { what: "test", expected: 1, actual: 0 };
        assert_eq!(reader.column(3), Err(missing.clone()));
        assert_eq!(reader.numbers(3, 1), Err(missing));
    }
}
