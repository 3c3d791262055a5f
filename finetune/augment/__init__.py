"""Changes to training images that leave their label true. Each is a function of the image and a random generator."""
