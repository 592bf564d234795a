"""Models and data for the tests of the commands."""

SCHOOLS = """\
# Eight schools
model Schools
plate school
input sigma[school]: positive
latent mu ~ Normal(0, 5)
latent tau ~ HalfNormal(5)
latent theta[school] ~ Normal(mu, tau)
observe y[school] ~ Normal(theta, sigma)
"""

SCHOOLS_DATA = """\
school,y,sigma
A,28,15
B,8,10
C,-3,16
D,7,11
E,-1,9
F,1,11
G,18,10
H,12,18
"""

LINE = """\
model Line
plate n
input x[n]: real
param a: real
param b: real
param s: positive
observe y[n] ~ Normal(a + b * x, s)
"""

LINE_DATA = "x,y\n1,2\n2,3.9\n3,6.2\n4,8\n5,10.1\n"

QUICK = ("--chains", "2", "--draws", "100", "--warmup", "100")
