// SPDX-License-Identifier: Apache-2.0

package control

import (
	"coracle/pkg/api/buildkit/pb"
)

// asked is what is to be built.
type asked struct {
	frontend   string
	attrs      map[string]string
	inputs     map[string][]byte // contexts that are definitions
	definition []byte
}

// solveRequest is Control's SolveRequest.
type solveRequest struct {
	asked
	ref, session string
	exports      []export
	entitlements []string
}

// export is where a result goes.
type export struct {
	kind  string
	attrs map[string]string
}

func readSolve(b []byte) (r solveRequest, err error) {
	var old export // of clients that know one only
	err = pb.Read(b, func(f pb.Field) error {
		switch f.Number {
		case 1:
			r.ref = f.Text()
		case 2:
			return readDefinition(f, &r.definition)
		case 3:
			old.kind = f.Text()
		case 4:
			return f.Entry(&old.attrs)
		case 5:
			r.session = f.Text()
		case 6:
			r.frontend = f.Text()
		case 7:
			return f.Entry(&r.attrs)
		case 9:
			r.entitlements = append(r.entitlements, f.Text())
		case 10:
			return readInput(f, &r.inputs)
		case 13:
			var e export
			r.exports = append(r.exports, e)
			return readExport(f.Data(), &r.exports[len(r.exports)-1])
		}
		return nil
	})
	if len(r.exports) == 0 && old.kind != "" {
		r.exports = []export{old}
	}
	return r, err
}

func readExport(b []byte, e *export) error {
	return pb.Read(b, func(f pb.Field) error {
		switch f.Number {
		case 1:
			e.kind = f.Text()
		case 2:
			return f.Entry(&e.attrs)
		}
		return nil
	})
}

// readGatewaySolve reads the gateway's SolveRequest.
func readGatewaySolve(b []byte) (r asked, err error) {
	err = pb.Read(b, func(f pb.Field) error {
		switch f.Number {
		case 1:
			return readDefinition(f, &r.definition)
		case 2:
			r.frontend = f.Text()
		case 3:
			return f.Entry(&r.attrs)
		case 13:
			return readInput(f, &r.inputs)
		}
		return nil
	})
	return r, err
}

// readDefinition reads a definition's last operation but one: the last says which
// result of it is meant. The operations come one by one.
func readDefinition(f pb.Field, into *[]byte) error {
	var last, before []byte
	err := pb.Read(f.Data(), func(f pb.Field) error {
		if f.Number == 1 {
			before, last = last, f.Data()
		}
		return nil
	})
	*into = before
	if before == nil {
		*into = last
	}
	return err
}

// readInput reads an entry of a map of definitions.
func readInput(f pb.Field, into *map[string][]byte) error {
	var name string
	var op []byte
	err := pb.Read(f.Data(), func(f pb.Field) error {
		switch f.Number {
		case 1:
			name = f.Text()
		case 2:
			return readDefinition(f, &op)
		}
		return nil
	})
	if *into == nil {
		*into = map[string][]byte{}
	}
	(*into)[name] = op
	return err
}

// readText reads one field of a message.
func readText(b []byte, number int, into *string) error {
	return pb.Read(b, func(f pb.Field) error {
		if f.Number == number {
			*into = f.Text()
		}
		return nil
	})
}
