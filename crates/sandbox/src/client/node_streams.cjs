// awslambda.streamifyResponse: responses that leave chunk by chunk.
'use strict';

const http = require('http');
const errors = require('./errors.cjs');
const logs = require('./logs.cjs');

const HANDLER = Symbol.for('aws.lambda.runtime.handler.streaming');
const STREAMING = 'response';
const PRELUDE_TYPE = 'application/vnd.awslambda.http-integration-response';

const awslambda = {
  streamifyResponse(handler, options) {
    handler[HANDLER] = STREAMING;
    if (options && typeof options.highWaterMark === 'number') handler.highWaterMark = options.highWaterMark;
    return handler;
  },
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType(PRELUDE_TYPE);
      stream._onBeforeFirstWrite = (write) => {
        write(JSON.stringify(prelude));
        write(Buffer.alloc(8));
      };
      return stream;
    },
  },
};

// The body of the response is the stream that the handler writes to.
function open(id, api, prefix, highWaterMark) {
  const colon = api.lastIndexOf(':');
  const request = http.request({
    host: api.slice(0, colon), port: Number(api.slice(colon + 1)), method: 'POST', highWaterMark,
    path: `${prefix}invocation/${id}/response`,
    headers: {
      'Lambda-Runtime-Function-Response-Mode': 'streaming',
      'Transfer-Encoding': 'chunked',
      'Content-Type': 'application/octet-stream',
      Trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body',
    },
  });
  request.setNoDelay(true);
  request.on('socket', (socket) => socket.setNoDelay(true));
  request.setContentType = (type) => {
    if (!request.headersSent) request.setHeader('Content-Type', type);
  };
  const write = request.write.bind(request);
  const end = request.end.bind(request);
  const first = () => {
    const before = request._onBeforeFirstWrite;
    request._onBeforeFirstWrite = undefined;
    if (before) before((chunk) => write(chunk));
  };
  const check = (chunk) => (chunk === undefined || chunk === null || typeof chunk === 'string' || Buffer.isBuffer(chunk) || chunk instanceof Uint8Array
    ? chunk : JSON.stringify(chunk));
  request.write = (chunk, encoding, callback) => {
    first();
    return write(check(chunk), encoding, callback);
  };
  request.end = (chunk, encoding, callback) => {
    first();
    return typeof chunk === 'function' ? end(chunk) : end(check(chunk), encoding, callback);
  };
  return request;
}

async function run(handler, answer, context, api, prefix, onFail) {
  const id = context.awsRequestId;
  const stream = open(id, api, prefix, handler.highWaterMark);
  const answered = new Promise((resolve) => {
    stream.on('response', (response) => { response.resume(); response.on('end', resolve); });
    stream.on('error', resolve);
  });
  let failure;
  try {
    const failed = new Promise((_, reject) => onFail(reject));
    failed.catch(() => {});
    const result = handler(JSON.parse(answer.body.toString('utf8') || 'null'), stream, context);
    if (!result || typeof result.then !== 'function') {
      throw new errors.MalformedStreamingHandler('Streaming does not support non-async handlers.');
    }
    await Promise.race([result, failed]);
    // A pipe may still be writing.
    if (!stream.writableEnded) await ended(stream);
  } catch (error) {
    failure = error === undefined || error === null ? new Error('handled') : error;
  }
  if (failure !== undefined) {
    const payload = errors.payload(failure);
    logs.error('Invoke Error', payload);
    if (!stream.writableEnded) {
      stream.addTrailers({
        'Lambda-Runtime-Function-Error-Type': errors.headerType(failure),
        'Lambda-Runtime-Function-Error-Body': Buffer.from(JSON.stringify(payload)).toString('base64'),
      });
      stream.end();
    }
  }
  await answered;
}

// Waits for the handler's own end; when nothing is left that could call it, ends the stream.
function ended(stream) {
  return new Promise((resolve) => {
    stream.once('finish', resolve);
    stream.once('error', resolve);
    process.once('beforeExit', () => {
      if (!stream.writableEnded) stream.end();
      resolve();
    });
  });
}

module.exports = { awslambda, HANDLER, STREAMING, run };
