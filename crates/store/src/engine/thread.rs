//! Runs a product that blocks on a thread of its own, so that a sync never holds up the runtime.

use std::sync::{Arc, Mutex, mpsc};

use futures::future::{BoxFuture, FutureExt, ready};
use tokio::sync::oneshot;

use super::{Engine, View, Write};
use crate::error::{Error, lock};

/// A key-value product, called from one thread.
pub(crate) trait Product: Send + 'static {
    fn view(&self) -> Result<Arc<dyn View>, Error>;
    fn apply(&mut self, writes: Vec<Write>, sync: bool) -> Result<(), Error>;
    fn sync(&mut self) -> Result<(), Error>;
}

enum Job {
    Apply(Vec<Write>, bool, Answer<Arc<dyn View>>),
    Sync(Answer<()>),
    Close(Answer<()>),
}

type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// An engine made of a product. What keeps the folder locked lives as long as the product.
pub(crate) struct Threaded {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    view: Mutex<Option<Arc<dyn View>>>,
}

impl Threaded {
    pub(crate) fn start(
        product: impl Product,
        folder: impl Send + 'static,
    ) -> Result<Threaded, Error> {
        let (jobs, inbox) = mpsc::channel();
        let view = product.view()?;
        let work = move || {
            let closed = serve(product, &inbox);
            drop(folder);
            if let Some(closed) = closed {
                let _ = closed.send(Ok(()));
            }
        };
        std::thread::Builder::new()
            .name("store engine".to_owned())
            .spawn(work)
            .map_err(Error::unavailable)?;
        Ok(Threaded { jobs: Mutex::new(Some(jobs)), view: Mutex::new(Some(view)) })
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, Error> {
        let closed = || Error::Closed { what: "engine" };
        let (answer, answered) = oneshot::channel();
        lock(&self.jobs).as_ref().ok_or_else(closed)?.send(job(answer)).map_err(|_| closed())?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }
}

/// Does jobs until told to close, or until nobody can ask any more.
fn serve(mut product: impl Product, inbox: &mpsc::Receiver<Job>) -> Option<Answer<()>> {
    loop {
        match inbox.recv().ok()? {
            Job::Apply(writes, sync, answer) => {
                let applied = product.apply(writes, sync);
                drop(answer.send(applied.and_then(|()| product.view())));
            }
            Job::Sync(answer) => drop(answer.send(product.sync())),
            Job::Close(answer) => return Some(answer),
        }
    }
}

impl Engine for Threaded {
    fn view(&self) -> Result<Arc<dyn View>, Error> {
        lock(&self.view).clone().ok_or(Error::Closed { what: "engine" })
    }

    fn apply(&self, writes: Vec<Write>, sync: bool) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let view = self.ask(|answer| Job::Apply(writes, sync, answer)).await?;
            *lock(&self.view) = Some(view);
            Ok(())
        })
    }

    fn sync(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.ask(Job::Sync))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        lock(&self.view).take();
        if lock(&self.jobs).is_none() {
            return ready(()).boxed();
        }
        Box::pin(async move {
            let _ = self.ask(Job::Close).await;
            lock(&self.jobs).take();
        })
    }
}
