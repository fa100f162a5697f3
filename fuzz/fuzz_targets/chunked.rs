//! `aws-chunked` bodies: what comes out does not depend on how the bytes arrive.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use undercast_wire::checksum::Trailers;
use undercast_wire::chunked::{ChunkSigner, Decoder};
use undercast_wire::sigv4::SigningKey;

type Decoded = Result<(Vec<u8>, Vec<(String, String)>), String>;

fn decode(bytes: &[u8], step: usize, signed: bool) -> Decoded {
    let signer = signed.then(|| {
        let key = SigningKey::new("secret", "20260101", "us-east-1", "s3");
        ChunkSigner::new(key, "20260101T000000Z", "20260101/us-east-1/s3/aws4_request", "seed")
    });
    let trailers = Trailers::default();
    let mut decoder = Decoder::new(None, signer, &trailers);
    let mut out = Vec::new();
    let mut run = || {
        for piece in bytes.chunks(step) {
            decoder.push(Bytes::copy_from_slice(piece));
            while let Some(data) = decoder.next_data()? {
                out.extend_from_slice(&data);
            }
        }
        decoder.end()
    };
    run().map_err(|error| error.to_string())?;
    let trailers = trailers.lock().unwrap().clone();
    Ok((out, trailers))
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    let step = usize::from(*first).max(1);
    let whole = decode(bytes, bytes.len().max(1), false);
    let torn = decode(bytes, step, false);
    assert_eq!(whole.is_ok(), torn.is_ok());
    if whole.is_ok() {
        assert_eq!(whole, torn);
    }
    let _ = decode(bytes, step, true);
});
