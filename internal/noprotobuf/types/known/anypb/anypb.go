// SPDX-License-Identifier: Apache-2.0

// Package anypb has a message of any type; see package proto.
package anypb

// Any is a message of any type.
type Any struct {
	TypeUrl string
	Value   []byte
}

// GetTypeUrl is the URL of the message's type.
func (a *Any) GetTypeUrl() string { return a.TypeUrl }

// GetValue is the message.
func (a *Any) GetValue() []byte { return a.Value }
