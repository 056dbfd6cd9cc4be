// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"coracle/pkg/events"
	"coracle/pkg/state"
)

// Volume is a directory that outlives containers, as its record says.
type Volume struct {
	Name      string            `json:"name"`
	Created   time.Time         `json:"created"`
	Labels    map[string]string `json:"labels,omitempty"`
	Anonymous bool              `json:"anonymous,omitempty"` // removed with the container that asked for it
	Options   map[string]string `json:"options,omitempty"`   // type, device and o, as of mount(8)

	// Damaged is why the volume's record cannot be read, and then all there is
	// but its name.
	Damaged error `json:"-"`
}

// NotFoundError says that there is no such volume.
type NotFoundError struct{ Name string }

func (e *NotFoundError) Error() string { return "get " + e.Name + ": no such volume" }

// InUseError says that containers have the volume: their IDs, whole.
type InUseError struct {
	Name  string
	Users []string
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("remove %s: volume is in use - %v", e.Name, e.Users)
}

// NameError says, in Docker's words, that no volume can have the name.
type NameError struct{ Message string }

func (e *NameError) Error() string { return e.Message }

// DamagedError says that what is on the disk of a volume cannot be read.
type DamagedError struct {
	Name string
	err  error
}

func (e *DamagedError) Error() string { return fmt.Sprintf("read volume %s: %v", e.Name, e.err) }
func (e *DamagedError) Unwrap() error { return e.err }

// Hint is the way out.
func (e *DamagedError) Hint() string {
	return "its files are in its directory still; remove the volume with: volume rm " + e.Name
}

// Users reads which containers there are, and returns which of them, by ID, mount
// a volume. It is asked under the volumes lock, under which none appears, and
// takes no lock that comes before that one.
type Users func(d state.Dirs) (of func(name string) []string, err error)

// Store is the set of volumes below one root. It is safe for concurrent use.
type Store struct {
	dirs  state.Dirs
	users Users
}

// NewStore returns the volumes of d.
func NewStore(d state.Dirs, users Users) *Store { return &Store{d, users} }

// DataDir is where the files of a volume are, unless its options say otherwise.
func (s *Store) DataDir(name string) string { return s.dirs.Volume(name).Data() }

// Load reads one volume. The error is a *NotFoundError or a *DamagedError.
func (s *Store) Load(name string) (Volume, error) {
	if !isEntry(name) {
		return Volume{}, &NotFoundError{Name: name}
	}
	dir := s.dirs.Volume(name)
	if _, err := os.Lstat(string(dir)); errors.Is(err, fs.ErrNotExist) {
		return Volume{}, &NotFoundError{Name: name}
	}
	var v Volume
	err := state.ReadJSON(dir.Record(), &v)
	if errors.Is(err, fs.ErrNotExist) {
		// A volume disappears with its record, by one rename.
		if _, lerr := os.Lstat(string(dir)); errors.Is(lerr, fs.ErrNotExist) {
			return Volume{}, &NotFoundError{Name: name}
		}
	}
	if err == nil && v.Name != name {
		err = errors.New("volume.json is not about this volume")
	}
	if err == nil {
		err = checkName(name)
	}
	if err == nil {
		_, err = v.source(s.dirs)
	}
	if err != nil {
		return Volume{}, &DamagedError{Name: name, err: err}
	}
	return v, nil
}

// isEntry reports whether name is one of the directory of volumes, and not one
// of its own files.
func isEntry(name string) bool {
	return name != "" && len(name) <= 255 && !strings.HasPrefix(name, ".") && !strings.ContainsAny(name, "/\x00")
}

// List returns all volumes, by name, those with a damaged record among them.
func (s *Store) List() ([]Volume, error) {
	entries, err := os.ReadDir(s.dirs.Volumes())
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	var list []Volume
	for _, e := range entries {
		v, err := s.Load(e.Name())
		var damaged *DamagedError
		switch {
		case err == nil:
			list = append(list, v)
		case errors.As(err, &damaged):
			list = append(list, Volume{Name: e.Name(), Damaged: err})
		}
	}
	return list, nil
}

// Users asks which containers mount the volumes: by name of a volume, their IDs.
func (s *Store) Users() (func(name string) []string, error) { return s.users(s.dirs) }

var namePattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`) })

func checkName(name string) error {
	switch {
	case len(name) < 2:
		return &NameError{"volume name is too short, names should be at least two alphanumeric characters"}
	case !namePattern().MatchString(name), len(name) > 255:
		return &NameError{fmt.Sprintf("%q includes invalid characters for a local volume name, only %q are allowed. "+
			"If you intended to pass a host directory, use absolute path", name, "[a-zA-Z0-9][a-zA-Z0-9_.-]")}
	}
	return nil
}

// event writes down what happened to a volume. A journal that cannot be written,
// as on a full disk, stops nobody.
func (s *Store) event(name, action string) {
	_ = events.Append(s.dirs.Root, events.New(events.Volume, action, name, map[string]string{"driver": "local"}))
}
