// SPDX-License-Identifier: Apache-2.0

// Package grpc is what of gRPC's protocol BuildKit's clients need, over a connection
// that is there: they call methods here ([Serve]), and methods of theirs are called
// over a second connection ([Dial]). HTTP/2 is net/http's.
//
//	client ── HEADERS :path /package.Service/Method, metadata ──►
//	       ── DATA    message, message …  ──►                     a message:
//	       ◄── HEADERS, DATA message …  ──                         ┌─────────┬────────────┬───────┐
//	       ◄── trailers grpc-status, grpc-message ──               │ 0, byte │ len, 4 byte│ bytes │
//	                                                               └─────────┴────────────┴───────┘
//
// Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. Messages are
// never compressed: nobody here says that they could be, so that none may come.
package grpc
