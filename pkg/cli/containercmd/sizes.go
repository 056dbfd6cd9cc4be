// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"

	"coracle/pkg/cli/command"

	"coracle/pkg/container"
	"coracle/pkg/ns"
	"coracle/pkg/overlay"
)

// containerSize is the size of a container's own files, and with the image's.
type containerSize struct{ own, all int64 }

// containerSizes measures containers, by their IDs.
func containerSizes(e *command.Env, list []*container.Container) (map[string]containerSize, error) {
	own, err := OwnSizes(e, list)
	if err != nil {
		return nil, err
	}
	ix, err := e.Index()
	if err != nil {
		return nil, err
	}
	images := map[string]overlay.Image{}
	for _, img := range ix.Images {
		images[img.ID] = img
	}
	all := map[string]containerSize{}
	for _, c := range list {
		n := own[c.ID]
		all[c.ID] = containerSize{n, n + images[c.ImageID].Size}
	}
	return all, nil
}

// OwnSizes measures the read-write layers. Where a container has closed a
// directory to its owner, the user namespace is asked.
func OwnSizes(e *command.Env, list []*container.Container) (map[string]int64, error) {
	cs, err := e.Containers()
	if err != nil {
		return nil, err
	}
	all := map[string]int64{}
	for _, c := range list {
		n, err := cs.Size(c)
		if errors.Is(err, fs.ErrPermission) && !ns.Inside() {
			return ownSizesInside(e)
		}
		if err != nil {
			return nil, err
		}
		all[c.ID] = n
	}
	return all, nil
}

func ownSizesInside(e *command.Env) (map[string]int64, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	done := make(chan error, 1)
	go func() {
		err := e.Enter(w, "__sizes")
		w.Close()
		done <- err
	}()
	var all map[string]int64
	derr := json.NewDecoder(r).Decode(&all)
	if err := <-done; err != nil {
		return nil, err
	}
	return all, derr
}

// PrintSizes is ownSizes of all containers, for the command outside.
func PrintSizes(e *command.Env) error {
	cs, err := e.Containers()
	if err != nil {
		return err
	}
	list, _ := cs.List() // what cannot be read is told by the command outside
	all, err := OwnSizes(e, list)
	if err != nil {
		return err
	}
	return json.NewEncoder(e.Stdout).Encode(all)
}
