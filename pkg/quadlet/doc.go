// SPDX-License-Identifier: Apache-2.0

// Package quadlet makes services of files that describe containers, volumes,
// networks, images and builds (podman-systemd.unit(5)):
//
//	web.container   -> web.service           coracle run
//	data.volume     -> data-volume.service   coracle volume create
//	net.network     -> net-network.service   coracle network create
//	app.image       -> app-image.service     coracle pull
//	app.build       -> app-build.service     coracle build
//
// [Load] reads the files with their drop-ins; [Convert] is pure. Every key is done,
// refused, or named in a note as one without effect here; a key that is not known
// is refused. Specifiers (%h) and variables stay as they are, for systemd.
package quadlet
