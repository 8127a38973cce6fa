//! An API server that answers as a test says: no connection, no clock of its own.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Frame;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tower_service::Service;

/// What becomes of a request.
pub(super) enum Answer {
    /// An answer with this code and a body of these pieces.
    Of(u16, Vec<Piece>),
    /// The connection breaks before there is one.
    Cut,
    /// There is none, ever.
    Silence,
}

/// A piece of a body.
pub(super) enum Piece {
    Bytes(Bytes),
    /// The connection breaks.
    Cut,
    /// Nothing more comes, and no end.
    Silence,
}

impl Answer {
    /// This object.
    pub(super) fn object(code: u16, object: &Value) -> Self {
        Self::Of(code, vec![Piece::Bytes(object.to_string().into())])
    }

    /// A refusal with this code.
    pub(super) fn refused(code: u16) -> Self {
        let status = serde_json::json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "as scripted", "reason": "Scripted", "code": code});
        Self::object(code, &status)
    }
}

/// A client of a server that answers to paths with their queries.
pub(super) fn client(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Client {
    Client::new(Scripted(Arc::new(answer)), "default")
}

#[derive(Clone)]
struct Scripted(Arc<dyn Fn(&str) -> Answer + Send + Sync>);

impl Service<Request<Body>> for Scripted {
    type Response = Response<Pieces>;
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let answer = (self.0)(&path);
        Box::pin(async move {
            match answer {
                Answer::Of(code, pieces) => {
                    let response = Response::builder().status(code).body(Pieces(pieces.into()));
                    response.map_err(io::Error::other)
                }
                Answer::Cut => Err(io::ErrorKind::ConnectionReset.into()),
                Answer::Silence => std::future::pending().await,
            }
        })
    }
}

struct Pieces(VecDeque<Piece>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.0.pop_front() {
            Some(Piece::Bytes(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Piece::Cut) => Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into()))),
            Some(Piece::Silence) => {
                self.0.push_front(Piece::Silence);
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }
}
