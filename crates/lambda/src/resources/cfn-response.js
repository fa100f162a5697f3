// Answers CloudFormation from a custom resource whose code stands in a template.
'use strict';

const http = require('http');
const https = require('https');

exports.SUCCESS = 'SUCCESS';
exports.FAILED = 'FAILED';

exports.send = function (event, context, responseStatus, responseData, physicalResourceId, noEcho) {
  const body = JSON.stringify({
    Status: responseStatus,
    Reason: 'See the details in CloudWatch Log Stream: ' + context.logStreamName,
    PhysicalResourceId: physicalResourceId || context.logStreamName,
    StackId: event.StackId,
    RequestId: event.RequestId,
    LogicalResourceId: event.LogicalResourceId,
    NoEcho: Boolean(noEcho),
    Data: responseData,
  });
  const url = new URL(event.ResponseURL);
  const client = url.protocol === 'http:' ? http : https;
  return new Promise((resolve) => {
    const finish = () => {
      resolve();
      if (typeof context.done === 'function') context.done();
    };
    const request = client.request(
      url,
      { method: 'PUT', headers: { 'content-type': '', 'content-length': Buffer.byteLength(body) } },
      (response) => {
        response.resume();
        response.on('end', () => {
          console.log('CloudFormation answered ' + response.statusCode);
          finish();
        });
      },
    );
    request.on('error', (error) => {
      console.log('CloudFormation could not be answered: ' + error);
      finish();
    });
    request.end(body);
  });
};
