//! Messages of the right length with some bytes of the fuzzer's, and now and then bytes of the fuzzer's
//! alone.

/// Takes a byte that picks something off the front.
pub fn pick(data: &[u8]) -> (usize, &[u8]) {
    data.split_first().map_or((0, data), |(&pick, rest)| (pick.into(), rest))
}

/// `honest` with `data` from a place on that its first two bytes name; if they are both 255, the rest of
/// `data` alone.
pub fn overlay(honest: &[u8], data: &[u8]) -> Vec<u8> {
    let Some((at, data)) = data.split_first_chunk::<2>() else { return honest.to_vec() };
    let mut message = honest.to_vec();
    match (*at, usize::from(u16::from_le_bytes(*at)).checked_rem(honest.len())) {
        ([255, 255], _) | (_, None) => return data.to_vec(),
        (_, Some(at)) => message[at..].iter_mut().zip(data).for_each(|(to, from)| *to = *from),
    }
    message
}
