// SPDX-License-Identifier: Apache-2.0

package network

import "fmt"

// Reason is why a network is not as it was asked for.
type Reason int

// The reasons.
const (
	Malformed Reason = iota // no network can be so
	Taken                   // another network has the name
	Forbidden               // it may not be done to this network, or beside the others
)

// Refusal says, in Docker's words, that something is not done to a network.
type Refusal struct {
	Reason  Reason
	Message string
}

func (r *Refusal) Error() string { return r.Message }

func refuse(why Reason, format string, args ...any) *Refusal {
	return &Refusal{why, fmt.Sprintf(format, args...)}
}
