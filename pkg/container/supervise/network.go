// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"maps"

	"coracle/pkg/container"
	"coracle/pkg/container/sandbox"
	"coracle/pkg/slirp"
)

func (s *supervisor) endpoint(e container.Endpoint) sandbox.Endpoint {
	return sandbox.Endpoint{
		Network: e.Network,
		Member:  slirp.Member{Container: s.id, Name: s.c.Name, Aliases: e.Aliases, Addr: e.IP},
	}
}

// connect puts the running container on another network.
func (s *supervisor) connect(e *container.Endpoint) error {
	if e == nil {
		return errors.New("connect: no network")
	}
	at, err := s.box.Attach(s.endpoint(*e))
	if err != nil {
		return err
	}
	s.record(func(st *container.State) {
		st.Networks = maps.Clone(st.Networks)
		if st.Networks == nil {
			st.Networks = map[string]container.Attached{}
		}
		st.Networks[e.Network] = container.Attached{Address: at.Address, Gateway: at.Gateway}
	})
	return nil
}

// disconnect takes it off again.
func (s *supervisor) disconnect(e *container.Endpoint) error {
	if e == nil {
		return errors.New("disconnect: no network")
	}
	if err := s.box.Detach(e.Network); err != nil {
		return err
	}
	s.record(func(st *container.State) {
		st.Networks = maps.Clone(st.Networks)
		delete(st.Networks, e.Network)
	})
	return nil
}
