//! The gateway's events, mended where `lambda_http` would lose something of them.

use lambda_http::{LambdaEvent, request::LambdaRequest};

/// A REST API tells headers twice: all of their values, and the last one. Of both together `lambda_http` keeps the last.
pub(crate) fn with_all_headers(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    if let LambdaRequest::ApiGatewayV1(request) = &mut event.payload {
        for name in request.multi_value_headers.keys() {
            request.headers.remove(name);
        }
    }
    event
}
