package runtime

import "image"

// Image is an image with its format. As a field, a slice or a whole input it is a file, as
// [File] is; [image.Image] is one too, without the format. A file that is not an image gets
// a 400, and so do images with more pixels together than the key files.max_pixels. The
// format is found in the content, whatever its Content-Type is. Of an animated image, the
// first frame is decoded. As in BentoML, an image is not turned as its EXIF data says.
//
// A result is sent in its format, else as PNG. [ContentType] with image/png, image/jpeg
// or image/gif sends every result in that format.
type Image struct {
	image.Image
	// Format is "png", "jpeg", "gif" or "webp". A result of "" or "webp" is sent as PNG.
	Format string
}
