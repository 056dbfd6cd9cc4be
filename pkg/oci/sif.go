// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sylabs/sif/v2/pkg/sif"

	"coracle/pkg/overlay"
	"coracle/pkg/squashfs"
)

// ociConfigName is what Apptainer calls the configuration of an image of a registry.
const ociConfigName = "oci-config.json"

// saveSIF writes a SIF whose system partition is a squashfs, compressed as any
// Apptainer can read it. The same image gives the same bytes.
func saveSIF(ctx context.Context, st *overlay.Store, out *os.File, top overlay.LayerID, s seal) error {
	scratch, err := st.Scratch()
	if err != nil {
		return err
	}
	part, err := os.CreateTemp(scratch, "sif-")
	if err != nil {
		return err
	}
	defer part.Close()
	if err := os.Remove(part.Name()); err != nil {
		return err
	}
	n, err := writeSquashfs(ctx, st, part, top, squashfs.Gzip, s)
	if err != nil {
		return err
	}
	config, err := json.Marshal(s.Image.Config)
	if err != nil {
		return err
	}
	root, err := sif.NewDescriptorInput(sif.DataPartition, io.NewSectionReader(part, 0, n),
		sif.OptPartitionMetadata(sif.FsSquash, sif.PartPrimSys, s.Image.Architecture), sif.OptObjectName("rootfs.squashfs"), sif.OptObjectAlignment(4096))
	if err != nil {
		return fmt.Errorf("write SIF: %w", err)
	}
	doc, err := sif.NewDescriptorInput(sif.DataGenericJSON, bytes.NewReader(config), sif.OptObjectName(ociConfigName))
	if err != nil {
		return fmt.Errorf("write SIF: %w", err)
	}
	f, err := sif.CreateContainer(out, sif.OptCreateDeterministic(), sif.OptCreateWithLaunchScript("#!/usr/bin/env run-singularity\n"),
		sif.OptCreateWithDescriptors(doc, root), sif.OptCreateWithCloseOnUnload(false))
	if err != nil {
		return fmt.Errorf("write SIF: %w", err)
	}
	return f.UnloadContainer()
}

// openSIF finds the squashfs in a SIF, and the configuration if there is one.
func openSIF(in *os.File) (part *io.SectionReader, config []byte, err error) {
	fail := func(err error) (*io.SectionReader, []byte, error) { return nil, nil, fmt.Errorf("read SIF: %w", err) }
	// The library makes room for as many descriptors as the header claims.
	var total [8]byte
	if _, err := in.ReadAt(total[:], 88); err != nil {
		return fail(err)
	}
	if n := binary.LittleEndian.Uint64(total[:]); n > 10_000 {
		return fail(fmt.Errorf("%d parts are too many", n))
	}
	f, err := sif.LoadContainer(in, sif.OptLoadWithCloseOnUnload(false))
	if err != nil {
		return fail(err)
	}
	root, err := f.GetDescriptor(sif.WithPartitionType(sif.PartPrimSys))
	if err != nil {
		return fail(fmt.Errorf("its system: %w", err))
	}
	if fs, _, _, err := root.PartitionMetadata(); err != nil || fs != sif.FsSquash {
		return fail(errors.Join(err, errors.New("its system is no squashfs")))
	}
	if part, err = within(in, root); err != nil {
		return fail(err)
	}
	doc, err := f.GetDescriptor(sif.WithDataType(sif.DataGenericJSON), func(d sif.Descriptor) (bool, error) { return d.Name() == ociConfigName, nil })
	if err != nil {
		return part, nil, nil // it has none
	}
	r, err := within(in, doc)
	if err != nil {
		return fail(err)
	}
	if config, err = io.ReadAll(io.LimitReader(r, maxManifestFile)); err != nil {
		return fail(err)
	}
	return part, config, nil
}

// within is a part of the file, if it is one.
func within(in *os.File, d sif.Descriptor) (*io.SectionReader, error) {
	st, err := in.Stat()
	if err != nil {
		return nil, err
	}
	if d.Offset() < 0 || d.Size() < 0 || d.Offset() > st.Size() || d.Size() > st.Size()-d.Offset() {
		return nil, fmt.Errorf("%s is cut off", d.Name())
	}
	return io.NewSectionReader(in, d.Offset(), d.Size()), nil
}
