use proptest::prelude::*;

use super::*;
use crate::MasterKey;

const KEY: &str = "312d6e503ae7c4b79bcb29ff61e7fb13f09036b9532efe862ab5fb8ea96729c1";
const OTHER_KEY: &str = "9bcb29ff61e7fb13f09036b9532efe862ab5fb8ea96729c1312d6e503ae7c4b7";

fn vault(current: &str, old: &[&str]) -> Vault {
    let key = |text: &str| MasterKey::parse(text).expect("a strong key");
    Vault::new(key(current), old.iter().map(|text| key(text)).collect())
}

/// Not the same anywhere, so that moved chunks are not equal by chance.
fn text(len: usize) -> Vec<u8> {
    (0..len).map(|place| u8::try_from((place ^ (place >> 8) ^ (place >> 16)) & 0xff).expect("a byte")).collect()
}

fn sealed(vault: &Vault, text: &[u8]) -> Vec<u8> {
    let mut writer = vault.seal_stream("backup", Vec::new()).expect("random");
    writer.write_all(text).expect("memory");
    writer.finish().expect("an end")
}

/// The text, or why it does not open; never a part of it as if it were all.
fn opened(vault: &Vault, sealed: &[u8]) -> Result<Vec<u8>, StreamError> {
    let mut text = Vec::new();
    let read = vault.open_stream("backup", sealed).and_then(|mut reader| reader.read_to_end(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(StreamError::of(&error).expect("memory does not fail")),
    }
}

const LENGTHS: [usize; 8] = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1, 3 * CHUNK + 4321];

#[test]
fn the_format_stays_what_it_is() {
    // Made with another implementation (Python `cryptography`) from the format as it is documented.
    const HEADER: &str = "4c4c4d2d4150491a01a2dd9aff000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const REST: &str = "d07aab9fc6b106330030d67de1784545fb5e8f9f72b003c2cadd10bc856d878516a580b1199bb738609adf641045d55b73824099b5163790";
    let salt = std::array::from_fn(|place| u8::try_from(place).expect("a byte"));
    let vault = vault(KEY, &[]);
    let (header, sealer) = sealer(vault.current(), "backup", salt);
    let mut writer = SealedWriter { out: header.to_vec(), header, sealer: Some(sealer), chunk: buffer() };
    writer.write_all(b"a backup").expect("memory");
    let stream = writer.finish().expect("an end");
    assert_eq!(format!("{stream:02x?}").replace(['[', ']', ',', ' '], ""), format!("{HEADER}{REST}"));
    assert_eq!(opened(&vault, &stream), Ok(b"a backup".to_vec()));
}

#[test]
fn every_length_opens_again_and_in_pieces_of_any_size() {
    let vault = vault(KEY, &[]);
    for len in LENGTHS {
        let text = text(len);
        let mut writer = vault.seal_stream("backup", Vec::new()).expect("random");
        for piece in text.chunks(777) {
            writer.write_all(piece).expect("memory");
        }
        let sealed = writer.finish().expect("an end");
        let chunks = len.div_ceil(CHUNK).max(1);
        assert_eq!(sealed.len(), HEADER_LEN + len + chunks * TAG_LEN, "{len}");
        assert_eq!(opened(&vault, &sealed).as_ref(), Ok(&text), "{len}");
        let mut reader = vault.open_stream("backup", sealed.as_slice()).expect("the key");
        let mut piece = [0; 1000];
        let mut read = Vec::new();
        while let got @ 1.. = reader.read(&mut piece).expect("a good stream") {
            read.extend_from_slice(&piece[..got]);
        }
        assert_eq!(read, text, "{len}");
    }
}

#[test]
fn any_flipped_bit_of_the_header_is_refused() {
    let vault = vault(KEY, &[OTHER_KEY]);
    let sealed = sealed(&vault, b"a backup");
    for bit in 0..sealed.len() * 8 {
        let mut damaged = sealed.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let expected = match bit / 8 {
            0..8 => StreamError::NotSealed,
            8 => StreamError::Newer(damaged[8]),
            9..13 => StreamError::UnknownKey([damaged[9], damaged[10], damaged[11], damaged[12]]),
            _ => StreamError::Damaged,
        };
        assert_eq!(opened(&vault, &damaged), Err(expected), "bit {bit}");
    }
}

#[test]
fn a_missing_end_is_found_wherever_it_is_cut() {
    let vault = vault(KEY, &[]);
    let sealed = sealed(&vault, &text(3 * CHUNK));
    let chunk = CHUNK + TAG_LEN;
    let at_chunks = (0..3).map(|chunks| HEADER_LEN + chunks * chunk);
    for cut in at_chunks.chain([HEADER_LEN - 1, 9, HEADER_LEN + 1, HEADER_LEN + chunk - 1, sealed.len() - 1]) {
        assert_eq!(opened(&vault, &sealed[..cut]), Err(StreamError::Damaged), "cut at {cut}");
    }
    for cut in [0, 7] {
        assert_eq!(opened(&vault, &sealed[..cut]), Err(StreamError::NotSealed), "cut at {cut}");
    }
    // Never finished, as after a crash.
    let mut torn = Vec::new();
    let mut writer = vault.seal_stream("backup", &mut torn).expect("random");
    writer.write_all(&text(2 * CHUNK + 1)).expect("memory");
    drop(writer);
    assert_eq!(opened(&vault, &torn), Err(StreamError::Damaged));
}

#[test]
fn chunks_that_are_moved_missing_doubled_or_added_are_found() {
    let vault = vault(KEY, &[]);
    let sealed_stream = sealed(&vault, &text(4 * CHUNK));
    let (header, chunks) = sealed_stream.split_at(HEADER_LEN);
    let chunks: Vec<&[u8]> = chunks.chunks(CHUNK + TAG_LEN).collect();
    let of =
        |order: &[usize]| [header.to_vec(), order.iter().flat_map(|&chunk| chunks[chunk].to_vec()).collect()].concat();
    assert!(opened(&vault, &of(&[0, 1, 2, 3])).is_ok());
    for order in [&[1, 0, 2, 3][..], &[0, 2, 1, 3], &[0, 1, 3], &[0, 1, 1, 2, 3], &[0, 1, 2, 3, 3], &[3], &[0, 1, 2]] {
        assert_eq!(opened(&vault, &of(order)), Err(StreamError::Damaged), "{order:?}");
    }
    let longer = [sealed_stream.clone(), vec![0]].concat();
    assert_eq!(opened(&vault, &longer), Err(StreamError::Damaged));
    // The chunks of another stream under the same key.
    let other = sealed(&vault, &text(4 * CHUNK));
    let mixed = [&sealed_stream[..HEADER_LEN + CHUNK + TAG_LEN], &other[HEADER_LEN + CHUNK + TAG_LEN..]].concat();
    assert_eq!(opened(&vault, &mixed), Err(StreamError::Damaged));
}

#[test]
fn it_opens_for_its_key_and_purpose_alone() {
    let stream = sealed(&vault(KEY, &[]), b"a backup");
    assert_eq!(opened(&vault(OTHER_KEY, &[KEY]), &stream), Ok(b"a backup".to_vec()));
    let refused = opened(&vault(OTHER_KEY, &[]), &stream);
    assert_eq!(refused, Err(StreamError::UnknownKey([0xa2, 0xdd, 0x9a, 0xff])));
    let words = refused.expect_err("another key").to_string();
    assert_eq!(stream_key_id(&stream), Some([0xa2, 0xdd, 0x9a, 0xff]));
    let wrapped = io::Error::other(io::Error::from(StreamError::Damaged));
    assert_eq!(StreamError::of(&wrapped), Some(StreamError::Damaged));
    assert_eq!(words, "it is sealed with the encryption key of id a2dd9aff, which is not configured");
    let vault = vault(KEY, &[]);
    let other = vault.open_stream("other", stream.as_slice()).expect_err("another purpose");
    assert_eq!(StreamError::of(&other), Some(StreamError::Damaged));
    let reader = vault.open_stream("backup", stream.as_slice()).expect("the key");
    let printed = format!("{reader:?}{:?}", vault.seal_stream("backup", Vec::new()).expect("random"));
    assert_eq!(printed, "OpenedReader(..)SealedWriter(..)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_flipped_bit_is_found_wherever_it_is(len in 0..LENGTHS.len(), place in 0.0..1.0_f64, bit in 0..8_u32) {
        let vault = vault(KEY, &[]);
        let mut stream = sealed(&vault, &text(LENGTHS[len]));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "any place")]
        let place = (place * stream.len() as f64) as usize;
        stream[place] ^= 1 << bit;
        prop_assert!(opened(&vault, &stream).is_err());
    }

    #[test]
    fn random_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(opened(&vault(KEY, &[]), &bytes).is_err());
        let ours = [STREAM_MAGIC.as_slice(), &[VERSION], &bytes].concat();
        prop_assert!(opened(&vault(KEY, &[]), &ours).is_err());
    }
}
