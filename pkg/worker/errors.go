// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"reflect"
	"syscall"

	"coracle/pkg/hint"
)

// failure is an error on its way between two processes.
type failure struct {
	Text  string          `json:"text"`
	Hint  string          `json:"hint,omitempty"`
	Kinds []kind          `json:"kinds,omitempty"` // what errors.As and errors.Is find
	Errno []syscall.Errno `json:"errno,omitempty"`
}

// kind is an error of a type that both sides know.
type kind struct {
	Index int             `json:"index"`           // among the prototypes
	Value json.RawMessage `json:"value,omitempty"` // none: it is the prototype
}

// known are the errors that every operation may have. They are values.
func known() []error {
	return []error{context.Canceled, context.DeadlineExceeded, fs.ErrNotExist, fs.ErrExist, fs.ErrPermission}
}

// encode makes an error ready to be sent to who has the same prototypes.
func encode(err error, prototypes []error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Text: err.Error(), Hint: hint.Of(err)}
	all := append(known(), prototypes...)
	walk(err, func(e error) {
		if n, ok := e.(syscall.Errno); ok {
			f.Errno = append(f.Errno, n)
			return
		}
		for i, p := range all {
			switch {
			case reflect.TypeOf(e) != reflect.TypeOf(p):
			case isValue(p):
				if reflect.TypeOf(e).Comparable() && e == p {
					f.Kinds = append(f.Kinds, kind{Index: i})
				}
			default:
				if v, err := json.Marshal(e); err == nil {
					f.Kinds = append(f.Kinds, kind{i, v})
				}
			}
		}
	})
	return f
}

// decode is the error again; nil of nil.
func (f *failure) decode(prototypes []error) error {
	if f == nil {
		return nil
	}
	all := append(known(), prototypes...)
	e := &remoteError{text: f.Text, hint: f.Hint}
	for _, k := range f.Kinds {
		if k.Index < 0 || k.Index >= len(all) {
			continue
		}
		if p := all[k.Index]; len(k.Value) == 0 {
			e.kinds = append(e.kinds, p)
		} else if err := fresh(p, k.Value); err != nil {
			e.kinds = append(e.kinds, err)
		}
	}
	for _, n := range f.Errno {
		e.kinds = append(e.kinds, n)
	}
	return e
}

// fresh is an error of the type of p, or nil if data is none.
func fresh(p error, data json.RawMessage) error {
	t := reflect.TypeOf(p)
	if t.Kind() == reflect.Pointer {
		v := reflect.New(t.Elem())
		if json.Unmarshal(data, v.Interface()) != nil {
			return nil
		}
		err, _ := v.Interface().(error)
		return err
	}
	v := reflect.New(t)
	if json.Unmarshal(data, v.Interface()) != nil {
		return nil
	}
	err, _ := v.Elem().Interface().(error)
	return err
}

// isValue reports whether an error is told from others of its type by what it is
// and not by what it says, as one made by errors.New.
func isValue(p error) bool {
	t := reflect.TypeOf(p)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.NumField() == 0 {
		return false
	}
	for i := range t.NumField() {
		if t.Field(i).IsExported() {
			return false
		}
	}
	return true
}

// walk calls f for every error of the tree, in the order of errors.As.
func walk(err error, f func(error)) {
	for err != nil {
		f(err)
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			err = u.Unwrap()
		case interface{ Unwrap() []error }:
			for _, e := range u.Unwrap() {
				walk(e, f)
			}
			return
		default:
			return
		}
	}
}

// remoteError is an error that another process had.
type remoteError struct {
	text, hint string
	kinds      []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Hint() string    { return e.hint }
func (e *remoteError) Unwrap() []error { return e.kinds }

var errNoAnswer = errors.New("the worker ended without an answer")
