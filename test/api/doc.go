// SPDX-License-Identifier: Apache-2.0

// Package api tests Docker's API as its clients use it: Docker's own command line
// and compose, the libraries of Go, Python and JavaScript, each with its daily work
// beside `coracle api`. hack/clients.sh makes them; one that is not there is
// skipped. What a client says of an answer is what is tested: fields and sentences
// one by one are pkg/api's tests.
package api
