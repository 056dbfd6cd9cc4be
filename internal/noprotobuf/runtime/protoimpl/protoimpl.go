// SPDX-License-Identifier: Apache-2.0

// Package protoimpl is what the code of generated messages is compiled against;
// see package proto.
package protoimpl

import (
	"unsafe"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// The versions of generated code that compile.
const (
	MinVersion = 20
	MaxVersion = 20
)

// What generated code converts, keeps in messages and says of their types.
type (
	EnforceVersion uint
	Pointer        = unsafe.Pointer
	SizeCache      = int32
	UnknownFields  = []byte

	DescBuilder struct {
		GoPackagePath                                     string
		RawDescriptor                                     []byte
		NumEnums, NumMessages, NumExtensions, NumServices int32
	}
	TypeBuilder struct {
		File              DescBuilder
		GoTypes           []any
		DependencyIndexes []int32
		MessageInfos      []MessageInfo
	}
	// Built is what a TypeBuilder makes.
	Built struct{ File protoreflect.FileDescriptor }
)

// Build makes nothing.
func (TypeBuilder) Build() Built { return Built{} }

// MessageInfo is what is known of a type: nothing.
type MessageInfo struct{}

// MessageOf is nil.
func (*MessageInfo) MessageOf(any) protoreflect.Message { return nil }

// MessageState is the part of a message that describes it.
type MessageState struct{}

// Descriptor is nil.
func (*MessageState) Descriptor() protoreflect.MessageDescriptor { return nil }

// Interface is nil.
func (*MessageState) Interface() protoreflect.ProtoMessage { return nil }

// LoadMessageInfo is nil.
func (*MessageState) LoadMessageInfo() *MessageInfo { return nil }

// StoreMessageInfo does nothing.
func (*MessageState) StoreMessageInfo(*MessageInfo) {}

// X is called by generated code.
var X Export

// Export has the functions that generated code calls.
type Export struct{}

// MessageStateOf describes nothing.
func (Export) MessageStateOf(Pointer) *MessageState { return &MessageState{} }

// MessageStringOf is the empty string.
func (Export) MessageStringOf(any) string { return "" }

// CompressGZIP returns what it is given.
func (Export) CompressGZIP(data []byte) []byte { return data }
