// SPDX-License-Identifier: Apache-2.0

// Package imagecmd has the commands of images and of registries, one a file.
package imagecmd
