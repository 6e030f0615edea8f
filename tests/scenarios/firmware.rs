//! create opens, checks and stores the firmware: nothing from outside the image, nothing the kernel would refuse.
