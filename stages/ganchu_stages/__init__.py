"""The built-in stages of a 赣出精品 selection round. They arrive by the same door as anybody else's."""
