//! gRPC to HTTP: hands the message of every call, as it came, to a receiver that knows HTTP only.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// Where to send gRPC to; what comes goes to `receiver`. It lives as long as the test's process.
pub(crate) fn relay(receiver: SocketAddr) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper::service::service_fn(move |request| pass_on(request, receiver));
                let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    endpoint
}

async fn pass_on(
    request: Request<Incoming>,
    receiver: SocketAddr,
) -> Result<Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let encoding = request.headers().get("grpc-encoding").cloned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    // One byte says whether it is compressed, four how long it is.
    let (prefix, message) = body.split_at(5);
    assert_eq!(u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize, message.len());
    let packed = encoding.filter(|_| prefix[0] == 1);
    let encoding = packed.as_ref().map_or("none", |packed| packed.to_str().unwrap());
    post(receiver, encoding, message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let empty_answer = Full::new(Bytes::from_static(&[0; 5]));
    let body = empty_answer.with_trailers(async { Some(Ok(trailers)) });
    Ok(Response::builder().header("content-type", "application/grpc").body(body).unwrap())
}

fn post(receiver: SocketAddr, encoding: &str, message: &[u8]) {
    let mut stream = TcpStream::connect(receiver).unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.0\r\ncontent-type: application/x-protobuf\r\n\
         content-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
        message.len()
    );
    stream.write_all(&[head.as_bytes(), message].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
}
