// A ball that rolls by, for POV-Ray; needs no include files. clock goes from 0 to 1.
camera { location <0, 1.5, -4> look_at <0, 0.3, 0> }
light_source { <3, 5, -4> rgb 1.2 }
background { rgb <0.55, 0.7, 0.85> }
plane { y, -0.7 pigment { checker rgb 0.9, rgb 0.35 } }
sphere {
  0, 0.7
  pigment { gradient x color_map { [0 rgb <0.8, 0.2, 0.1>] [1 rgb <0.95, 0.85, 0.6>] } scale 0.35 }
  finish { phong 0.8 reflection 0.15 }
  rotate z * -360 * clock
  translate x * (4.4 * clock - 2.2)
}
