"""The commands of ``gendsl``, one file each; imported when they are used."""
